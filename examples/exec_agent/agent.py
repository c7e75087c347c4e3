#!/usr/bin/env python3
"""Counts words, one page at a time: nuncio serve --agent 'count=python3 agent.py'."""
import json, sys

say = lambda **line: print(json.dumps(line), flush=True)
pages = json.loads(sys.stdin.readline())["pages"]
for number, page in enumerate(pages, 1):
    say(authorize={"cap": "tool.call", "target": "counter"})
    if not json.loads(sys.stdin.readline())["authorize"]["allowed"]:
        sys.exit("the lease does not let me count")
    say(kind="progress", body={"current": number, "total": len(pages), "units": "pages"})
say(result={"words": sum(len(page.split()) for page in pages)})
