#!/usr/bin/env bash
# The labs beside the shop: a slow partner, a storm of retries, an upstream that stops reading, a canary, a failover to the
# second region, old answers while a service is down, a circuit that ten callers share (with the loss and the split of those that decide), a limit that five share, paced calls, a hundred services in one sidecar. Each checks itself; the checks become lines here.
# effect-of: ResiliencePolicy writeTimeout
# effect-of: VirtualService http.route.weight
# effect-of: DestinationRule subsets.labels
# effect-of: DestinationRule trafficPolicy.loadBalancer.localityLbSetting.failover
# effect-of: Fallback lastGood.maxAge
# effect-of: CircuitBreaker scope
# effect-of: ResiliencePolicy meshLimits.maxConnections
. "$(dirname "$0")/lib.sh"
for options in partner retries window canary failover fallback breaker limits pacing "scale --services 100"; do
  lab=${options%% *}
  # shellcheck disable=SC2086 # options are words
  timeout 400 "$bin/Mesh.Lab/release/Mesh.Lab" $options > "$work/$lab.txt" 2>&1
  code=$?
  sed -nE "s/^  ok    /PASS $lab: /p; s/^  FAIL  /FAIL $lab: /p" "$work/$lab.txt"
  failures=$((failures + $(grep -c '^  FAIL  ' "$work/$lab.txt")))
  check "lab $lab ends with 0" [ "$code" -eq 0 ] || cat "$work/$lab.txt"
done
done_checking
