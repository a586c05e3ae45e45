"""A table of streams and fusions, trained, tested, fused and written down.

``python3 -m engine.reproduce config/tables/utd-mhad.yaml``
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clips.files import write_text
from command_line import Parser, exit_code
from engine.run_tables import Row, Table, markdown, read_table, slug
from engine.stopping import EXIT_CODE
from errors import InputError, did_you_mean


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 when a run failed, 75 when it was told to stop and can go on.

    Raises:
        InputError: the command line or the table is not usable.
    """
    about = "Train, test and fuse the streams of a table, and write it as Markdown; the same command goes on."
    parser = Parser("engine.reproduce", description=about, allow_abbrev=False)
    parser.add_argument("table", metavar="TABLE.yaml")
    parser.add_flag("--work-dir", metavar="DIR", help="of all runs (default: work_dir/tables/<name of the table>)")
    parser.add_flag("--out", metavar="FILE", help="the Markdown (default: table.md in the work dir)")
    parser.add_flag("--only", nargs="+", metavar="NETWORK", help="these networks of the table")
    about = "submit a job for each run that is not at its end, with these options of sbatch, and wait for none"
    parser.add_flag("--slurm", nargs="?", const="", metavar="OPTIONS", help=about)
    parser.add_flag("--dry-run", action="store_true", help="print the commands and the table as it stands")
    given = parser.parse_strictly(argv)
    work_dir = Path(given.work_dir or Path("work_dir", "tables", Path(given.table).stem))
    out = Path(given.out or work_dir / "table.md")
    table = _only(read_table(given.table, work_dir), given.only)
    pending = [row for row in table.rows if row.result() is None]
    if given.dry_run:
        for row in pending:
            print(shlex.join(["python3", *row.command]))
        print(markdown(table))
        return 0
    failed = _submit(pending, given.slurm) if given.slurm is not None else _train(pending, table, out)
    if failed == EXIT_CODE:
        return EXIT_CODE
    write_text(out, markdown(table))
    print(markdown(table))
    print(f"table: {out}")
    return failed


def _only(table: Table, networks: Sequence[str] | None) -> Table:
    if not networks:
        return table
    known = {row.network for row in table.rows}
    for name in networks:
        if name not in known:
            raise InputError(f"--only: there is no network {name!r} in the table{did_you_mean(name, known)}")
    rows = [row for row in table.rows if row.network in networks]
    return Table(table.title, rows, [fusion for fusion in table.fusions if fusion.network in networks])


def _train(rows: Sequence[Row], table: Table, out: Path) -> int:
    """Run after run, in processes of their own; the table is written after each."""
    failed = 0
    for number, row in enumerate(rows, start=1):
        print(f"[{number}/{len(rows)}] {row.network}, {row.stream}: {row.work_dir}", flush=True)
        code = _call([sys.executable, *row.command])
        if code == EXIT_CODE:
            print("stopped; the same command goes on", file=sys.stderr)
            return EXIT_CODE
        if code:
            failed = 1
            print(f"{row.network}, {row.stream} failed with exit code {code}", file=sys.stderr)
        write_text(out, markdown(table))
    return failed


def _call(command: Sequence[str]) -> int:
    """The exit code of a command; signals to stop are its own affair."""
    process = subprocess.Popen(command)
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number)),
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),  # Ctrl-C goes to both
    }
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _submit(rows: Sequence[Row], options: str) -> int:
    """One SLURM job for each run; jobs that are ended before their time are queued again, and go on."""
    if shutil.which("sbatch") is None:
        raise InputError("--slurm: there is no sbatch on this machine")
    failed = 0
    for row in rows:
        name = f"--job-name={slug(row.network)}_{row.stream}"
        command = ["sbatch", name, "--requeue", "--signal=TERM@90", *shlex.split(options)]
        code = subprocess.run([*command, "--wrap", shlex.join([sys.executable, *row.command])], check=False).returncode
        failed = failed or int(code != 0)
    return failed


if __name__ == "__main__":
    sys.exit(exit_code(run))
