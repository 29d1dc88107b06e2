#!/usr/bin/env python3
"""Creates a contact, repeats that safely, imports a file, and resolves recipients.

Needs Python 3.9 and nothing else.
"""

import json
import os
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
BOOK = os.environ.get("ADDRESSBOOK_URL", "http://127.0.0.1:8080")
KEY_FILE = os.environ.get("ADDRESSBOOK_KEY_FILE", HERE.parent / "data/initial-api-key")
KEY = Path(KEY_FILE).read_text().strip()

ATTEMPTS = 5
ANSWER_SECONDS = 30
# Too fast, and busy: both say when to try again.
TRY_AGAIN = {429, 503}


class Refused(Exception):
    """The server's answer to a request that it did not do."""


def call(path, body, headers):
    """Sends a POST that may be sent twice, until it is answered; returns the answer's bytes."""
    headers = {"Authorization": f"Bearer {KEY}", **headers}
    for attempt in range(1, ATTEMPTS + 1):
        pause = 2 ** (attempt - 1)
        try:
            with urlopen(Request(BOOK + path, body, headers), timeout=ANSWER_SECONDS) as answer:
                return answer.read()
        except HTTPError as error:
            if error.code not in TRY_AGAIN or attempt == ATTEMPTS:
                raise Refused(json.load(error)["error"]["message"]) from error
            pause = int(error.headers.get("Retry-After", pause))
        except (URLError, OSError):
            # Nobody answered, or the answer was lost.
            if attempt == ATTEMPTS:
                raise
        time.sleep(pause)


def call_json(path, fields, **headers):
    """The same with a body of JSON."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(path, json.dumps(fields).encode(), {"Content-Type": "application/json", **headers})


def create():
    """Creates John, once: the name is chosen once and kept for the repetitions."""
    john = {"alias": "john", "msisdn": "4479000000001", "meta": {"NAME": "John", "CITY": "London"}}
    return call_json("/addressbook/contacts", john, Idempotency_Key="signup-4711")


def main():
    created = create()
    print("created", json.loads(created)["record"]["alias"])

    # As after an answer that was lost: it happens once, and the answer is the same.
    repeated = create()
    assert repeated == created
    print("repeated: the same answer")

    # Good rows are stored, bad ones are told. An upsert may be sent again.
    file = (HERE / "contacts.csv").read_bytes()
    imported = json.loads(
        call("/addressbook/contacts/import?mode=upsert", file, {"Content-Type": "text/csv"})
    )
    total, failed = imported["summary"]["total"], imported["summary"]["failed"]
    print(f"imported {total - failed} of {total}")
    for error in imported["errors"]:
        print(f"line {error['line']}: {error['field'] or 'row'}: {error['message']}")

    # The finished text for each recipient, and why the others get none.
    wanted = {
        "recipients": ["john", "jane", "joe"],
        "text": "Hello {{NAME}}, how is the weather in {{CITY}}?",
    }
    resolved = json.loads(call_json("/addressbook/contacts/resolve", wanted))
    for recipient in resolved["recipients"]:
        print(f"to {recipient['msisdn']}: {recipient['text']}")
    for result in resolved["results"]:
        if result["status"] != "ok":
            print(f"{result['recipient']}: {result['status']}")


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"failed: {error}")
