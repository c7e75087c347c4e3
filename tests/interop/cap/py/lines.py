"""Requests and answers in lines of JSON: the frame of the programs here."""

import json
import sys
import traceback


def say(**line):
    """Prints a line: an answer or an event."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def answer(handle, request):
    """Handles a request, which names its handler with "do", and prints its answer or its error."""
    try:
        say(answer=handle[request.pop("do")](**request))
    except Exception as error:  # whatever it is, the test has to hear of it
        traceback.print_exc()
        say(error=f"{type(error).__name__}: {error}")


def serve(handle):
    """Answers requests until stdin ends."""
    for line in sys.stdin:
        answer(handle, json.loads(line))
