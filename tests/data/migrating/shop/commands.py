import click


@click.command("clean")
async def clean():
    pass


@click.command("migrate")
def migrate():
    pass
