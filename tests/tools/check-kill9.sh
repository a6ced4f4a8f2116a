#!/usr/bin/env bash
# kill -9 of the control plane, 100 times at random moments while rules are applied: every acknowledged rule is there
# after the restart with the content that was acknowledged, and the store is always readable.
. "$(dirname "$0")/lib.sh"
rounds=${1:-100}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
declare -A acknowledged=() # name -> maxConnections that was acknowledged last
lost=0 unreadable=0 applied=0
rule() { printf '{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"%s"},"spec":{"host":"%s","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":%d}}}}}' "$1" "$1" "$2"; }
list() { curl -sf -m 10 -A kill9 "http://$api/apis/networking.istio.io/v1/namespaces/default/destinationrules"; }

value=0
for ((round = 1; round <= rounds; round++)); do
  start control Mesh.ControlPlane serve --listen 127.0.0.1:0 --data "$work/data"
  api=$(address control api) || exit 1
  list > "$work/list" || unreadable=$((unreadable + 1))
  for name in "${!acknowledged[@]}"; do
    # A write that was cut off may have arrived without its answer: then the next higher value is right too.
    found=$(grep -oE "\"name\":\"$name\".*" "$work/list" | grep -oE '"maxConnections":[0-9]+' | head -n 1 | grep -oE '[0-9]+')
    [ "${found:-0}" -ge "${acknowledged[$name]}" ] || { lost=$((lost + 1)); echo "round $round: $name has '${found:-}', acknowledged ${acknowledged[$name]}"; }
  done
  (sleep "0.$(printf '%03d' $((RANDOM % 300)))"; kill -9 "${pid[control]}") 2> /dev/null &
  killer=$!
  while kill -0 "${pid[control]}" 2> /dev/null; do
    value=$((value + 1))
    name=r$((RANDOM % 10))
    code=$(rule "$name" "$value" | curl -s -m 5 -o /dev/null -w '%{http_code}' -X PATCH -H 'content-type: application/apply-patch+yaml' --data-binary @- \
      "http://$api/apis/networking.istio.io/v1/namespaces/default/destinationrules/$name?fieldManager=kill9&force=true")
    case $code in 200 | 201) acknowledged[$name]=$value applied=$((applied + 1)) ;; esac
  done
  wait "$killer" 2> /dev/null
  wait "${pid[control]}" 2> /dev/null
  unset "pid[control]"
done
echo "$rounds kills, $applied acknowledged writes, $lost lost, $unreadable unreadable stores"
check "after $rounds kills no acknowledged rule is lost" [ "$lost" -eq 0 ]
check "the store is always readable" [ "$unreadable" -eq 0 ]
check "rules were really applied" [ "$applied" -gt "$rounds" ]
done_checking
