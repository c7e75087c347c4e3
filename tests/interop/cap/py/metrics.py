"""Runs the agent with metrics of the guide: counts with stand-ins for the Prometheus objects that it names, and says each
count as the event "counted".
"""

import asyncio
import builtins
import os
import sys

from lines import say

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "guide"))


class Counter:
    def __init__(self, name):
        self.name, self.of = name, {}

    def labels(self, **labels):
        child = Counter(self.name)
        child.of = labels
        return child

    def inc(self):
        say(event="counted", name=self.name, labels=self.of)

    def observe(self, value):
        say(event="counted", name=self.name, labels=self.of, whole=isinstance(value, int))


for name in ("jobs_received", "jobs_failed", "job_duration"):
    setattr(builtins, name, Counter(name))

import metrics_of_the_guide  # noqa: E402

agent = metrics_of_the_guide.agent


@agent.job("job.half")
async def half(ctx, data):
    if data % 2:
        raise RuntimeError(f"{data} is odd")
    return data // 2


async def main():
    await agent.start()
    await agent._nc.flush()
    say(event="ready")
    await asyncio.Event().wait()


asyncio.run(main())
