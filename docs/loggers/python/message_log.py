import logging
import logging.handlers
from datetime import datetime, timezone

_handler = logging.handlers.RotatingFileHandler(
    "messages.log", maxBytes=100_000_000, backupCount=14, encoding="iso-8859-1"
)
_handler.setFormatter(logging.Formatter("%(message)s"))
_log = logging.getLogger("messages")
_log.addHandler(_handler)
_log.setLevel(logging.INFO)
_log.propagate = False


def log_message(method: str, source: str, destination: str, message: bytes) -> None:
    """Logs the bytes of a message; ISO-8859-1 here and in the handler keeps each of them as it is."""
    now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    _log.info("[%s][%s][%s][%s]\n%s", now, method, source, destination, message.decode("iso-8859-1"))
