"""Logs the messages that the test gives in the list, those of each thread from a thread of its own."""

import sys
import threading
from pathlib import Path

from message_log import log_message


def log(messages):
    for _, method, source, destination, file in messages:
        log_message(method, source, destination, Path(file).read_bytes())


given = [line.split("\t") for line in Path(sys.argv[1]).read_text().splitlines()]
threads = [threading.Thread(target=log, args=([m for m in given if m[0] == t],)) for t in {m[0] for m in given}]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
