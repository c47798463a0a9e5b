"""The kinds of failure the pipeline knows, and what each one means for the run.

Every error that can reach a person is one of four kinds, because each kind is answered differently:

=============  ===================================================  =======================================
kind           what happened                                        what the pipeline does
=============  ===================================================  =======================================
``BadInput``   a file, row or value is not what it should be         sets it aside with its reason, goes on
``Transient``  a thing outside is not ready (still being written,   leaves it for the next look, or retries
               locked, a service that times out)
``Permanent``  the pipeline or its home is broken                    stops and says why; nothing is published
``Usage``      the command or the configuration asks for something  stops before any work, exit code 2
               that makes no sense
=============  ===================================================  =======================================

``str(fault)`` is one line fit for a terminal or an alert. Messages name files, rows and columns, never cell contents
(cells may hold personal data).
"""

from __future__ import annotations


class Fault(Exception):
    """Base of the four kinds; never raised itself.

    ``message`` says what is wrong, ``remedy`` what a person can do about it ("" when there is nothing to do).
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} - {self.remedy}" if self.remedy else self.message


class BadInput(Fault):
    """Input that can not be accepted: a file is refused or a row quarantined, and everything else goes on.

    ``reason`` is a stable code (snake_case; files and quarantine are listed and counted by it), ``file`` the path
    relative to the landing folder (``a.zip!/detail.csv`` inside an archive), ``row`` the physical line or sheet row,
    1-based, and ``field`` the column or dictionary field concerned.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        file: str | None = None,
        row: int | None = None,
        field: str | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason
        self.file = file
        self.row = row
        self.field = field

    def in_file(self, file: str) -> BadInput:
        """The same fault with ``file`` filled in, for readers that do not know the landing path of what they read."""
        if self.file is None:
            self.file = file
        return self

    def __str__(self) -> str:
        where = self.file or ""
        if self.row is not None:
            where += f" line {self.row}" if where else f"line {self.row}"
        if self.field is not None:
            where += f" column {self.field}" if where else f"column {self.field}"
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} [{self.reason}]" + (f" - {self.remedy}" if self.remedy else "")


class Transient(Fault):
    """Not now: the same attempt may succeed later without anybody changing anything."""


class Permanent(Fault):
    """The run can not go on and trying again will not help; nothing half-done is left behind."""


class Usage(Fault):
    """The command line, a setting or a dictionary file asks for something impossible (exit code 2)."""
