"""Flask-Babel: a page in the visitor's language, dates and numbers as they are written there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, UTC
from decimal import Decimal
from io import StringIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import (
    Blueprint,
    Flask,
    g,
    render_template_string,
    request,
    Response,
    session,
    stream_with_context,
)
from flask.typing import ResponseReturnValue
from flask_babel import (
    Babel,
    force_locale,
    format_currency,
    format_date,
    format_datetime,
    format_decimal,
    format_number,
    format_percent,
    format_scientific,
    format_time,
    format_timedelta,
    get_locale,
    get_timezone,
    gettext,
    lazy_gettext,
    ngettext,
    pgettext,
    refresh,
    to_utc,
)

from compat_matrix.scenarios._exchange import get, post, request as send, SIGNED_AT

GERMAN = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Hello %(name)s"
msgstr "Hallo %(name)s"

msgid "not here"
msgstr "nicht da"

msgid "lazy"
msgstr "träge"

msgctxt "month"
msgid "May"
msgstr "Mai"

msgid "%(num)s apple"
msgid_plural "%(num)s apples"
msgstr[0] "%(num)s Apfel"
msgstr[1] "%(num)s Äpfel"
"""
PAGE = """<p>{{ _("Hello %(name)s", name=request.args.get("name", "you")) }}</p>
<p>{% trans num=apples|length %}{{ num }} apple{% pluralize %}{{ num }} apples{% endtrans %}</p>
<p>{{ ngettext("%(num)s apple", "%(num)s apples", 2) }}</p>
<p>{{ when|datetimeformat }} {{ when|dateformat("full") }} {{ when|timeformat("short") }}</p>
<p>{{ 1234567.891|decimalformat }} {{ 1234|numberformat }} {{ 0.5|percentformat }}</p>
<p>{{ 12.5|currencyformat("EUR") }} {{ 10000|scientificformat }} {{ ago|timedeltaformat }}</p>
<p>{{ lazy }} {{ get_locale() }}</p>"""

WHEN = datetime(2024, 5, 17, 15, 30, 12)
LAZY = lazy_gettext("lazy")
pages = Blueprint("pages", __name__)


def choose_locale() -> str | None:
    if "lang" in request.args:
        return request.args["lang"]
    return session.get("lang") or request.accept_languages.best_match(["de", "en", "ar", "fr_CH"])


def choose_timezone() -> str | None:
    return request.args.get("tz") or g.get("tz")


@pages.get("/")
def home() -> ResponseReturnValue:
    given = {"apples": [1, 2, 3], "when": WHEN, "ago": timedelta(days=3), "lazy": LAZY}
    return render_template_string(PAGE, **given)


@pages.get("/async")
async def home_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    g.tz = "Asia/Tokyo"
    return {"hello": gettext("Hello %(name)s", name="async"), "at": format_datetime(WHEN)}


@pages.get("/formats")
def formats() -> ResponseReturnValue:
    return {
        "locale": str(get_locale()),
        "zone": str(get_timezone()),
        "datetime": [format_datetime(WHEN, f) for f in ("short", "medium", "long", "full")],
        "date": format_date(WHEN, "EEE, MMM d yyyy"),
        "time": format_time(WHEN, rebase=False),
        "utc": to_utc(WHEN).isoformat(),
        "aware": format_datetime(WHEN.replace(tzinfo=UTC), "full"),
        "delta": format_timedelta(timedelta(hours=-5), add_direction=True),
        "number": [format_number(1099), format_decimal(Decimal("1.2345")), format_percent(0.34)],
        "money": [format_currency(1099.98, "USD"), format_currency(1, "JPY")],
        "scientific": format_scientific(10000),
        "month": pgettext("month", "May"),
        "apples": [ngettext("%(num)s apple", "%(num)s apples", n) for n in (1, 5)],
        "lazy": [str(LAZY), LAZY.upper(), f"{LAZY}!", LAZY + "?"],
    }


@pages.get("/forced")
def forced() -> ResponseReturnValue:
    before = gettext("lazy")
    with force_locale("de"):
        inside = [gettext("lazy"), str(get_locale())]
    return {"before": before, "inside": inside, "after": [gettext("lazy"), str(get_locale())]}


@pages.post("/language")
def change() -> ResponseReturnValue:
    before = str(get_locale())
    session["lang"] = request.form["lang"]
    refresh()
    return {"before": before, "after": str(get_locale())}


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    def rows() -> Iterator[str]:
        for number in range(30):
            yield ngettext("%(num)s apple", "%(num)s apples", number) + "\n"

    return Response(stream_with_context(rows()), mimetype="text/plain")


@pages.app_errorhandler(404)
def not_found(error: Exception) -> ResponseReturnValue:
    return gettext("not here"), 404


def translations() -> str:
    """Write the compiled catalogue as an application ships it."""
    folder = Path(tempfile.mkdtemp())
    target = folder / "de" / "LC_MESSAGES" / "messages.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, read_po(StringIO(GERMAN), locale="de"))
    return str(folder)


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = translations()
    Babel(app, locale_selector=choose_locale, timezone_selector=choose_timezone)
    app.jinja_env.globals["get_locale"] = get_locale
    app.register_blueprint(pages)
    return app


DIFFERENCES = [SIGNED_AT]

GERMAN_FIRST = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}

EXCHANGES = [
    get("/", "Hello you", "May 17, 2024", "1,234,567.891"),
    get("/?name=Ann", "Hallo Ann", "3 Äpfel", "1.234.567,891", headers=GERMAN_FIRST),
    get("/?lang=ar&tz=Africa/Cairo"),
    get("/async", "Hallo async", "18.05.2024, 00:30:12", headers=GERMAN_FIRST),
    get("/formats", '"locale":"en"', '"zone":"UTC"'),
    get("/formats?tz=America/New_York", "11:30"),
    get("/formats?lang=fr_CH&tz=Europe/Zurich", '"locale":"fr_CH"'),
    get("/formats?lang=de", "Mai", "tr\\u00e4ge"),
    get("/formats?tz=Nowhere/Town", status=500),
    get("/formats?lang=xx_YY", status=500),
    get("/forced", '"inside":["tr\\u00e4ge","de"]', '"after":["lazy","en"]'),
    get("/stream", "29 apples"),
    get("/stream?lang=de", "1 Apfel", "29 Äpfel"),
    post("/language", '"before":"en"', '"after":"de"', form={"lang": "de"}),
    get("/", "Hallo you"),
    get("/none", "nicht da", status=404),
    get("/none?lang=en", "not here", status=404),
    post("/language", form={}, status=400),
    send("HEAD", "/"),
]
