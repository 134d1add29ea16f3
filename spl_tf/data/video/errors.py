"""Why a file gives no clip."""


class UnreadableError(Exception):
    """A file gives no clip. `kind` is the reason that is counted, `detail` says more about this file."""

    def __init__(self, kind: str, detail: str = ""):
        super().__init__(f"{kind} {detail}".strip())
        self.kind = kind
        self.detail = detail
