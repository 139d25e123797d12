"""The command line: `app` has every command, `main` runs it. A file has the commands of one group."""

import os
import sys
import traceback

import typer

from smallvision.cli import assign, compare, probe, run, same
from smallvision.cli.conv import conv_app
from smallvision.cli.data import data_app
from smallvision.errors import SmallvisionError

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
app.command("list")(run.list_catalog)
app.command("show")(run.show)
app.command("run")(run.run)
app.command("runs")(run.runs)
app.command("report")(run.report)
app.command("compare")(compare.compare)
app.command("predict")(run.predict)


def main() -> None:
    """Run the command line: an error foreseen is one line on standard error and its own exit status."""
    debug = "--debug" in sys.argv
    try:
        app()
    except SmallvisionError as error:
        if debug:
            traceback.print_exc()
        print(f"smallvision: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("smallvision: interrupted; a run that had begun goes on with --resume", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (OSError, MemoryError, RuntimeError) as error:  # unforeseen errors, too, are one line without --debug
        if debug:
            traceback.print_exc()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"smallvision: {reason} (--debug shows where)", file=sys.stderr)
        sys.exit(3)
