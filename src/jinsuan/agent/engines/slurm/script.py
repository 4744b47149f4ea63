"""The two scripts of a job: what Slurm starts once, and what runs on every node. Pure text.

    claim      a link that can be made once: whoever makes it runs the work, anybody else goes home.
               It points to a word of its own, so that a reply lost by the file server is no doubt.
    place.<n>  node of rank n, and the cards that Slurm gave it there
    alive      changed every few seconds while the first script lives
    stop       made by the agent: seconds of grace
    why.<n>    `stop` or `limit`, when rank n was told to end
    rc.<n>     exit code of rank n, and `exit`, `stop`, `limit` or `term`
    ended      all ranks are over

No word of the tenant stands in either script: the work is in the file `run`, its variables in
`start`. SIGCONT, which no program minds, is how the agent wakes the watchers early.
"""

from __future__ import annotations

from jinsuan.agent.engines.embedded.process import SAFE_PATH

LIMIT_GRACE_SECONDS = 15
UNWRITABLE = 121
"""Exit code of a job that could not even claim: the shared folder is missing or full there."""

_PUT = r"""put() { echo "$2" >"$1.$n.new" && mv -f "$1.$n.new" "$1"; }
"""

_BATCH = r"""#!/bin/sh
umask 022
cd '{folder}' || exit {unwritable}
n=b
{put}mine=job.${{SLURM_JOB_ID:-0}}.${{SLURM_RESTART_COUNT:-0}}.$(cat /proc/sys/kernel/random/uuid)
ln -s "$mine" claim 2>/dev/null
held=$(readlink claim) || exit {unwritable}
[ "$held" = "$mine" ] || exit 0
trap : TERM
( trap '' TERM; while :; do echo >alive; sleep {heartbeat}; done ) &
heart=$!
if [ {nodes} -gt 1 ]; then
    names=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr '\n' ,)
    export NODE_NAMES="${{names%,}}"
    srun --quiet --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={cores} \
        --kill-on-bad-exit=1 ./rank </dev/null >>log &
else
    export NODE_NAMES="$SLURMD_NODENAME"
    ./rank </dev/null >>log &
fi
ranks=$!
while wait $ranks; r=$?; kill -0 $ranks 2>/dev/null; do :; done
put ended $r
kill -KILL $heart
exit $r
"""

_RANK = r"""#!/bin/sh
exec 2>&1
cd '{folder}' || exit {unwritable}
n=${{SLURM_PROCID:-0}}
{put}put "place.$n" "$SLURMD_NODENAME ${{SLURM_STEP_GPUS:-${{SLURM_JOB_GPUS-}}}}"
if [ {cards} -eq 0 ]; then CUDA_VISIBLE_DEVICES=; fi
export CUDA_VISIBLE_DEVICES="${{CUDA_VISIBLE_DEVICES-}}"
export ASCEND_RT_VISIBLE_DEVICES="$CUDA_VISIBLE_DEVICES"
export NODE_RANK=$n NUM_NODES={nodes} CARDS_PER_NODE={cards} HOME='{folder}/work'
export JINSUAN_JOB_ID='{job}' JINSUAN_ATTEMPT='{attempt}' JINSUAN_CARD_MILLI={card_milli}
export LANG=C.UTF-8 PATH='{path}'
now() {{ read -r up rest </proc/uptime; now=${{up%.*}}${{up#*.}}; }}
trap w=term TERM
trap '' HUP
w=exit
now
limit=$((now + {max_run} * 100))
setsid /bin/sh -c 'cd work && exec {command}' &
child=$!
watch() {{
    trap '' TERM
    trap : CONT
    last= over=
    while :; do
        now
        g=
        [ ! -e stop ] || read -r g <stop
        if [ -n "$g" ] && [ "$g" != "$last" ]; then
            [ -n "$over" ] || {{ put "why.$n" stop; told=; }}
            last=$g
            at=$((now + g * 100))
            [ -n "$over" ] && [ "$over" -lt "$at" ] || over=$at
        elif [ -z "$over" ] && [ "$now" -ge "$limit" ]; then
            put "why.$n" limit
            told=
            over=$((now + {limit_grace} * 100))
        fi
        if [ -n "$over" ]; then
            [ -n "${{told-}}" ] || kill -TERM -$child
            told=1
            [ "$now" -lt "$over" ] || kill -KILL -$child
        fi
        sleep {look} &
        wait $!
    done
}}
watch 2>/dev/null &
watcher=$!
while wait $child; r=$?; kill -0 $child 2>/dev/null; do :; done
if [ -e "why.$n" ]; then
    read -r w <"why.$n"
    while kill -0 -$child 2>/dev/null; do sleep 0.2; done
fi
kill -KILL $watcher -$child 2>/dev/null
put "rc.$n" "$r $w"
[ "$w" = exit ] || [ "$w" = term ] || exit 0
exit $r
"""


def batch(*, folder: str, nodes: int, cores: int, heartbeat: int) -> str:
    """What Slurm starts, once per job and on its first node."""
    return _BATCH.format(
        folder=folder,
        nodes=nodes,
        cores=cores,
        heartbeat=heartbeat,
        unwritable=UNWRITABLE,
        put=_PUT,
    )


def rank(
    *,
    folder: str,
    nodes: int,
    cards: int,
    card_milli: int,
    max_run: int,
    job: str,
    attempt: str,
    command: str,
) -> str:
    """What runs on every node. `command` is ours: `../run`, `/bin/sh ../run` or `../start`."""
    for value in (folder, job, attempt, command):
        if not value.isprintable() or "'" in value:
            raise ValueError(f"不能写进脚本：{value!r}")
    return _RANK.format(
        folder=folder,
        nodes=nodes,
        cards=cards,
        card_milli=card_milli,
        max_run=max_run,
        job=job,
        attempt=attempt,
        command=command,
        path=SAFE_PATH,
        limit_grace=LIMIT_GRACE_SECONDS,
        look=1,
        unwritable=UNWRITABLE,
        put=_PUT,
    )
