"""A server of one's own for ranker `openai`: answers as vLLM does, with made-up numbers, and dies once if told to.

python letters_server.py <port> <folder of the weights> [<file to leave when it dies>]
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from stand_in_endpoint import Reply, Seen, StandIn

FATAL = 30
"""The request, by number, with which it dies."""


def made_up(ids: list[int], token: int) -> float:
    return -1 - (sum(ids) * 31 + token * 17) % 97 / 20


def completion(body: dict) -> Reply:
    tokens = body["logprob_token_ids"]  # of A, B, ...
    named = [
        f"token_id:{token}" if body["return_tokens_as_token_ids"] else chr(65 + n) for n, token in enumerate(tokens)
    ]
    top = {name: made_up(body["prompt"], token) for name, token in zip(named, tokens, strict=True)}
    return Reply(body=json.dumps({"choices": [{"text": "x", "logprobs": {"top_logprobs": [top]}}]}))


def main(port: int, weights: str, died: str | None = None) -> None:
    asked = []

    def reply(seen: Seen) -> Reply:
        asked.append(seen)
        body = json.loads(seen.body)
        if body["model"] != weights:
            return Reply(404, "no such model")
        if died and len(asked) == FATAL and not Path(died).exists():
            Path(died).touch()
            os._exit(9)
        return completion(body)

    StandIn(port, reply).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
