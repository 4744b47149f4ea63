"""The seven measures in zen-engine, one expression node over whole fen; run by the peer's Python."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import zen

FORMULAS = {
    "m01": "tflops >= 100000 ? min([floor(invest * 15 / 100), 5000000000]) : 0",
    "m02": "cloud_revenue * 100 >= revenue * 15 ? min([racks * 100000, 300000000]) : 0",
    "m04": "facility_wh * 100 < it_wh * 118 ? min([racks * 100000, 500000000]) : 0",
    "m09": "(leads or develops) ? min([floor(contract * 30 / 100), 200000000])"
    " : min([floor(contract * 20 / 100), 100000000])",
    "m10": "exports >= 20000000000 ? min([floor(exports * 2 / 100), 1000000000]) : 0",
    "m12": "params >= 1000 and scenes >= 5 ? min([floor(research * 20 / 100), 1000000000]) : 0",
    "m14": "revenue > 500000000 ? min([floor(revenue * 1 / 100), 200000000]) : 0",
}


def decision() -> str:
    expressions = [{"id": k, "key": k, "value": v} for k, v in FORMULAS.items()]
    return json.dumps(
        {
            "nodes": [
                {"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
                {
                    "id": "all",
                    "type": "expressionNode",
                    "name": "all",
                    "position": {"x": 1, "y": 0},
                    "content": {"expressions": expressions},
                },
                {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}},
            ],
            "edges": [
                {"id": "a", "sourceId": "in", "targetId": "all", "type": "edge"},
                {"id": "b", "sourceId": "all", "targetId": "out", "type": "edge"},
            ],
        }
    )


def main() -> None:
    source, target, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = np.load(source)
    columns = {name: data[name].tolist() for name in data.files}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    found = zen.ZenEngine().create_decision(decision())
    seconds, results = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        results = [found.evaluate(row)["result"] for row in rows]
        seconds.append(time.perf_counter() - begin)
    np.savez(target, **{k: np.array([int(r[k]) for r in results], np.int64) for k in FORMULAS})
    print(json.dumps({"version": version("zen-engine"), "seconds": seconds}))


if __name__ == "__main__":
    main()
