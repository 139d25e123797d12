"""`app` has every command. A file has the commands of one group."""

import typer

from smallvision.cli import assign, compare, keys, lists, probe, run, same
from smallvision.cli.conv import conv_app
from smallvision.cli.data import data_app

app = typer.Typer(
    help="A laboratory for learning from small images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")
app.add_typer(conv_app, name="conv")
app.command("assign")(assign.assign)
app.command("probe")(probe.probe)
app.command("same")(same.same)
app.command("list")(lists.list_catalog)
app.command("keys")(keys.keys)
app.command("show")(run.show)
app.command("run")(run.run)
app.command("runs")(lists.runs)
app.command("report")(run.report)
app.command("compare")(compare.compare)
app.command("predict")(run.predict)
