"""The exceptions a command turns into an exit code."""


class UserError(Exception):
    """A mistake the user can mend: shown as one line, exit code 2.

    The message names the thing, the place and the remedy.
    """


class Terminated(BaseException):
    """The process was asked to stop (SIGTERM) and its state is saved: exit code 143.

    No Exception, so that no library on the way takes it for a failure of its own.
    """


class HostEndedError(Exception):
    """Another host of the training ended, and this one can't go on without it.

    Attributes:
      code: exit code, the other host's own where it said why it ended.
    """

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code
