#!/usr/bin/env bash
# A session's life in four requests: create, look at it, release, read its history.
#
# Needs curl, python3, and BROWSERBASE_BASE_URL and BROWSERBASE_API_KEY in the environment.
set -euo pipefail
: "${BROWSERBASE_BASE_URL:?is the address that wallcrawler up printed}"
: "${BROWSERBASE_API_KEY:?is the key that wallcrawler up printed}"

ask() { # ask METHOD PATH [BODY]
  curl --silent --show-error --fail-with-body --request "$1" "$BROWSERBASE_BASE_URL$2" \
    --header "X-BB-API-Key: $BROWSERBASE_API_KEY" --header 'Content-Type: application/json' ${3:+--data "$3"}
}

field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

id=$(ask POST /v1/sessions '{"timeout": 300}' | field id)
echo "created $id"

# The debug URLs hold a secret, like connectUrl: give them to nobody who may not drive the page.
echo "pages:"
ask GET "/v1/sessions/$id/debug" |
  python3 -c 'import json, sys; [print(" ", page["url"]) for page in json.load(sys.stdin)["pages"]]'

echo "released: $(ask POST "/v1/sessions/$id" '{"status": "REQUEST_RELEASE"}' | field endedReason)"

echo "history:"
ask GET "/v1/sessions/$id/events" |
  python3 -c 'import json, sys; [print(" ", e["at"], e["event"], "->", e["to"]) for e in json.load(sys.stdin)]'
