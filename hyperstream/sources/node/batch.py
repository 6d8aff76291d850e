"""What one read of a node's file produced: complete lines, and where they stand."""

from attrs import define, field


@define(eq=False)
class Batch:
    """Complete lines of one file, as bytes.

    ``data[:size]`` holds the lines, each with its newline; what follows ``size`` belongs to a
    line still being written. ``offset`` is where ``data`` begins in ``file`` (relative to the
    source's directory). ``size`` 0 says that bytes arrived but no whole line yet. ``is_late``
    marks lines that appeared in a file after its successor had been opened.
    """

    file: str
    offset: int
    data: bytes
    size: int
    read_time_ns: int
    is_late: bool = field(default=False)

    def lines(self) -> list[bytes]:
        """Return the lines without their newlines."""
        data, last = self.data, self.size - 1
        if last < 0:
            return []
        if data.find(b"\n") == last:
            return [data[:last]]
        return data[:last].split(b"\n")
