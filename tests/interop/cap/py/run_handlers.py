"""Runs the test of the guide, then handlers with run_handler of the package, and says what came of each."""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "guide"))

import handlers  # noqa: E402
from cap.pb.cordum.agent.v1 import job_pb2  # noqa: E402
from cap.testing import create_test_agent, run_handler  # noqa: E402

from lines import say  # noqa: E402


def fails(ctx, data):
    raise ValueError("there is nothing to shout")


async def main():
    await handlers.test_echo()
    results = {
        "echo": await run_handler(lambda ctx, data: {"echo": data["prompt"]}, {"prompt": "hello"}, topic="job.echo"),
        "fails": await run_handler(fails, {}, topic="job.echo"),
    }
    agent, bus, store = create_test_agent()
    say(
        event="results",
        status={name: job_pb2.JobStatus.Name(result.status) for name, result in results.items()},
        message=results["fails"].error_message,
        agent=[type(agent).__name__, type(bus).__name__, type(store).__name__],
    )


asyncio.run(main())
