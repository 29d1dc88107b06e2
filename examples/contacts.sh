#!/usr/bin/env bash
# Creates a contact, repeats that safely, imports a file, and resolves recipients.
# Needs curl 7.82 and jq.
set -euo pipefail
cd "$(dirname "$0")"

book=${ADDRESSBOOK_URL:-http://127.0.0.1:8080}
key_file=${ADDRESSBOOK_KEY_FILE:-../data/initial-api-key}

# call PATH CURL-OPTION...: prints the answer; whatever is refused ends the program.
# Everything below may be sent twice, so curl tries again when nobody answers, and
# after 429 and 503 as soon as Retry-After says. The key comes from a file: arguments
# can be read by everybody on the machine.
call() {
  curl --silent --show-error --fail-with-body \
    --retry 4 --retry-all-errors --max-time 30 \
    --header @<(printf 'Authorization: Bearer %s' "$(cat "$key_file")") \
    "$book$1" "${@:2}" || {
    printf '\n%s failed\n' "$1" >&2
    exit 1
  }
}

# The name is chosen once for each thing to do and kept for its repetitions.
create() {
  call /addressbook/contacts --header 'Idempotency-Key: signup-4711' \
    --json '{"alias":"john","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"}}'
}

created=$(create)
printf 'created %s\n' "$(jq -r .record.alias <<<"$created")"

# As after an answer that was lost: it happens once, and the answer is the same.
repeated=$(create)
[ "$created" = "$repeated" ]
printf 'repeated: the same answer\n'

# Good rows are stored, bad ones are told. An upsert may be sent again.
imported=$(call '/addressbook/contacts/import?mode=upsert' \
  --header 'Content-Type: text/csv' --data-binary @contacts.csv)
jq -r '.summary | "imported \(.total - .failed) of \(.total)"' <<<"$imported"
jq -r '.errors[] | "line \(.line): \(.field // "row"): \(.message)"' <<<"$imported"

# The finished text for each recipient, and why the others get none.
resolved=$(call /addressbook/contacts/resolve --json '{
  "recipients": ["john", "jane", "joe"],
  "text": "Hello {{NAME}}, how is the weather in {{CITY}}?"
}')
jq -r '.recipients[] | "to \(.msisdn): \(.text)"' <<<"$resolved"
jq -r '.results[] | select(.status != "ok") | "\(.recipient): \(.status)"' <<<"$resolved"
