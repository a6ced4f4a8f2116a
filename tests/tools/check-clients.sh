#!/usr/bin/env bash
# Clients that nobody here wrote drive orders through the sidecars; promtool reads every metrics page.
. "$(dirname "$0")/lib.sh"
start_shop || { echo "FAIL the shop did not start"; exit 1; }
url=http://$orders/orders
body='{"productId":2,"quantity":1}'

check "curl places an order" sh -c "curl -sf -m 10 -H 'content-type: application/json' -d '$body' $url | grep -q productId"
check "curl pipelines nothing and keeps one connection" sh -c "curl -sv -m 10 $url $url 2>&1 | grep -q 'Re-using existing connection'"

hey -n 300 -c 4 -m POST -T application/json -d "$body" "$url" > "$work/hey" 2>&1
check "hey: 300 orders, all 201" grep -qE '\[201\][[:space:]]+300 responses' "$work/hey"

cat > "$work/post.lua" << LUA
wrk.method = "POST"
wrk.body = '$body'
wrk.headers["Content-Type"] = "application/json"
LUA
wrk -t1 -c4 -d5s -s "$work/post.lua" "$url" > "$work/wrk" 2>&1
check "wrk: requests went through" grep -qE '[1-9][0-9]* requests in' "$work/wrk"
check "wrk: no socket error, no answer but 2xx" sh -c "! grep -E 'Socket errors|Non-2xx' '$work/wrk'"

HOME=$work siege -c2 -t5S --content-type application/json "$url POST $body" > "$work/siege" 2>&1
check "siege: availability 100" grep -qE '"?[Aa]vailability.*100\.00' "$work/siege" || tail -n 20 "$work/siege"

# Envoy's and Istio's names are facts that dashboards rely on: promtool's wish for other suffixes and units is not theirs.
accepts() { # URL
  local said
  said=$(curl -sf "$1" | promtool check metrics 2>&1)
  said=$(grep -vE '_total" suffix|use base unit' <<< "$said")
  [ -z "$said" ] || { echo "$said"; return 1; }
  [ "$(curl -sf "$1" | grep -c '^# TYPE')" -gt 5 ]
}
for name in products delivery orders; do
  page="http://$(address "$name-sidecar" metrics)/stats/prometheus"
  check "promtool accepts $name's sidecar" accepts "$page"
  check "$name's sidecar met no unexpected exception" sh -c "curl -sf '$page' | grep -E '^[a-z_]*unexpected_exception_total 0$'"
done
check "promtool accepts the control plane" accepts "http://$(address control metrics)/metrics"
ends_with_0() { # NAME: SIGTERM, then its exit code
  kill -TERM "${pid[$1]}"
  wait "${pid[$1]}"
  local code=$?
  unset "pid[$1]"
  [ "$code" -eq 0 ] || { echo "exit code $code"; return 1; }
}
for name in orders delivery products orders-sidecar delivery-sidecar products-sidecar control; do
  check "$name ends on SIGTERM with 0" ends_with_0 "$name"
done
done_checking
