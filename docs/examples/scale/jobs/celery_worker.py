"""`celery --workdir jobs --app celery_worker worker`"""

from shop import create_app

celery = create_app().extensions["celery"]
