"""The printer's self-test, step by step; the command and the page ask the same things of it."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from drivers.document import Document
from drivers.ports import Printer, PrinterStatus, PrintOutcome, PrintResult
from drivers.registry import DeviceUrlError, open_printer, with_options
from terminal.diagnostics import sample_papers

ENCODINGS: Final = ("gbk", "utf8", "raster")
NARROWEST: Final = "32"  # what fits the narrowest paper can be read on every other


class Choice(Struct, frozen=True):
    """What a person saw on the test paper, as options of a printer's URL."""

    encoding: str
    columns: int
    qr: str
    cutter: str

    def options(self) -> dict[str, str]:
        return {
            "encoding": self.encoding,
            "columns": str(self.columns),
            "qr": self.qr,
            "cutter": self.cutter,
        }


class Step(Struct, frozen=True):
    """One paper of the test and what became of it."""

    name: str
    outcome: PrintOutcome


class PrinterTest:
    """The test of the printer at one URL. Opens it anew for each step: one job, one connection."""

    def __init__(self, url: str, *, open_: Callable[[str], Printer | None] = open_printer) -> None:
        """Prepare; nothing is opened yet.

        Raises:
            DeviceUrlError: a URL that means nothing.
        """
        self._url = with_options(url)
        self._open = open_

    def check(self) -> None:
        """Whether there is a printer to try.

        Raises:
            DeviceUrlError: there is none.
        """
        self._opened(self._url).close()

    def find_level(self) -> PrinterStatus:
        """How the printer can confirm, and what is wrong with it now."""
        printer = self._opened(self._url)
        try:
            return printer.find_level()
        finally:
            printer.close()

    def print_papers(self, now: str, level: str) -> list[Step]:
        """Ruler, the three encodings, sizes and QR code: one paper, cut at its end.

        Stops at the first job that did not go out; what is on paper by then is told by the steps.
        """
        narrow = with_options(self._url, columns=NARROWEST, dots="384")
        steps: list[Step] = []
        wide = with_options(self._url, columns="48", dots="576")
        plan: list[tuple[str, str, Document]] = [
            ("head", narrow, sample_papers.head_paper(now, level)),
            ("ruler", wide, sample_papers.ruler_paper()),
        ]
        for number, encoding in enumerate(ENCODINGS, 1):
            paper = sample_papers.encoding_paper(number)
            plan.append((encoding, with_options(narrow, encoding=encoding), paper))
        plan.append(("tail", narrow, sample_papers.tail_paper()))
        for name, url, paper in plan:
            steps.append(Step(name, self._print(url, paper)))
            if steps[-1].outcome.result in {PrintResult.FAILED, PrintResult.UNKNOWN}:
                break
        return steps

    def open_drawer(self) -> PrintOutcome:
        return self._print(self._url, sample_papers.drawer_paper())

    def confirm(self, url: str) -> PrintOutcome:
        """Print what was chosen, with what was chosen."""
        return self._print(url, sample_papers.choice_paper(url))

    def chosen_url(self, choice: Choice, status: PrinterStatus) -> str:
        """The printer's URL with what was seen on paper and the level that was found.

        Raises:
            DeviceUrlError: a choice that there is not.
        """
        options = choice.options()
        if status.level is not None:
            options["status"] = status.level.value
        return with_options(self._url.partition("?")[0] + _kept(self._url), **options)

    def _print(self, url: str, paper: Document) -> PrintOutcome:
        printer = self._opened(url)
        try:
            return printer.print_document(paper)
        finally:
            printer.close()

    def _opened(self, url: str) -> Printer:
        printer = self._open(url)
        if printer is None:
            raise DeviceUrlError(url, "没有打印机 · no printer", "escpos+…://")
        return printer


def _kept(url: str) -> str:
    """The options that the test does not choose: those of a serial line."""
    options = [x for x in url.partition("?")[2].split("&") if x.startswith(("baud", "par", "flow"))]
    return "?" + "&".join(options) if options else ""
