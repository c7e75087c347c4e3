#!/bin/sh
# Repeats its input in capitals, word by word: nuncio serve --agent 'shout=sh agent.sh'.
read -r input
echo "this is $NUNCIO_AGENT, job $NUNCIO_JOB_ID"   # a log event
printf '{"kind": "status", "body": {"phase": "shouting"}}\n'
for word in $(printf %s "$input" | tr -cd 'a-zA-Z ' | tr a-z A-Z); do
    printf '{"chunk": "%s! "}\n' "$word"
done
echo "it was loud" >&2                              # a log event, too
