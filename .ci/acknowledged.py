"""Writes contacts and tells which of those that were acknowledged are gone: for `.ci/litestream` alone.

acknowledged.py steadily LIST SECONDS   about 50 a second until then, or until the server is gone
acknowledged.py bulks LIST NUMBER       so many requests of 10,000 contacts each
acknowledged.py lost LIST KILLED        fails if one is gone that was acknowledged over a second before

LIST has an alias and the time of its answer on each line. BOOK_URL and BOOK_KEY name the server.
"""

import http.client
import json
import os
import sys
import time

PER_SECOND = 50
BULK = 10_000
# A request has at most 8 MiB.
NOTE = "x" * 600
MAY_BE_LOST_SECONDS = 1
ATTEMPTS = 20

HOST = os.environ["BOOK_URL"].removeprefix("http://")
HEADERS = {"Authorization": f"Bearer {os.environ['BOOK_KEY']}", "Content-Type": "application/json"}


def call(connection, method, path, fields=None):
    """Sends one request, again where the server says that it is busy; returns the answer's bytes.

    Whatever is refused otherwise ends the test.
    """
    for attempt in range(1, ATTEMPTS + 1):
        connection.request(method, path, fields and json.dumps(fields), HEADERS)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return body
        print(f"{method} {path}: {answer.status} {body[:300]}", flush=True)
        if answer.status != 503 or attempt == ATTEMPTS:
            sys.exit(1)
        time.sleep(0.1)


def steadily(path, seconds):
    connection = http.client.HTTPConnection(HOST)
    begun = time.time()
    with open(path, "a", buffering=1) as acknowledged:
        number = 0
        while number < float(seconds) * PER_SECOND:
            alias = f"one-{begun:.3f}-{number}"
            fields = {"alias": alias, "msisdn": str(4479000000000 + number), "meta": {"N": str(number)}}
            try:
                call(connection, "POST", "/addressbook/contacts", fields)
            except (OSError, http.client.HTTPException):
                # Killed, as planned: nobody said that it was stored.
                return
            print(alias, time.time(), file=acknowledged)
            number += 1
            time.sleep(max(0.0, begun + number / PER_SECOND - time.time()))


def bulks(path, number):
    connection = http.client.HTTPConnection(HOST)
    with open(path, "a") as acknowledged:
        for _ in range(int(number)):
            begun = time.time()
            aliases = [f"many-{begun:.3f}-{row}" for row in range(BULK)]
            contacts = [
                {"alias": alias, "msisdn": str(4479000000000 + row), "meta": {"NOTE": NOTE}}
                for row, alias in enumerate(aliases)
            ]
            answer = json.loads(call(connection, "POST", "/addressbook/contacts/bulk", {"mode": "upsert", "contacts": contacts}))
            assert answer["summary"]["failed"] == 0, answer["summary"]
            now = time.time()
            acknowledged.writelines(f"{alias} {now}\n" for alias in aliases)


def lost(path, killed):
    HEADERS["Accept"] = "application/x-ndjson"
    rows = call(http.client.HTTPConnection(HOST), "GET", "/addressbook/contacts/export").splitlines()
    there = {json.loads(row)["alias"] for row in rows}
    with open(path) as lines:
        acknowledged = [line.split() for line in lines]
    assert acknowledged, "nothing was written"
    kept = [(alias, at) for alias, at in acknowledged if alias in there]
    ages = [float(killed) - float(at) for alias, at in acknowledged if alias not in there]
    print(
        f"{len(acknowledged)} acknowledged, {len(ages)} lost,"
        f" the oldest {max(0, round(max(ages, default=0) * 1000))} ms before the end"
    )
    if max(ages, default=0) > MAY_BE_LOST_SECONDS:
        sys.exit("more than the last second is lost")
    # What is lost is lost for good: the next life begins without it.
    with open(path, "w") as lines:
        lines.writelines(f"{alias} {at}\n" for alias, at in kept)


{"steadily": steadily, "bulks": bulks, "lost": lost}[sys.argv[1]](*sys.argv[2:])
