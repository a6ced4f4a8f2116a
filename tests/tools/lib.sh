# Shared by the check scripts: starts real processes on port 0, ends only those, counts PASS and FAIL.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
tools=$PWD/artifacts/tools
bin=$PWD/artifacts/bin
work=$(mktemp -d)
declare -A pid=()
failures=0

stop() { # NAME [SIGNAL]
  [ -n "${pid[$1]:-}" ] || return 0
  kill "-${2:-TERM}" "${pid[$1]}" 2> /dev/null
  wait "${pid[$1]}" 2> /dev/null
  unset "pid[$1]"
}
cleanup() {
  local name
  for name in "${!pid[@]}"; do stop "$name" KILL; done
  if [ "$failures" -eq 0 ]; then rm -r "$work"; else echo "logs are in $work"; fi
}
trap cleanup EXIT

start() { # NAME PROJECT ARGUMENTS...; MESH_SIDECAR names another sidecar to run, for example the native one
  local name=$1 program=$bin/$2/release/$2
  [ "$2" != Mesh.Sidecar ] || program=${MESH_SIDECAR:-$program}
  shift 2
  : > "$work/$name.log" # here, not in the child: nobody may read the address of an earlier run
  "$program" "$@" >> "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}
address() { # NAME WORD: the address behind "WORD listening on http://"; waits up to 20 s
  local i found
  for ((i = 0; i < 200; i++)); do
    found=$(sed -nE "s#^$2 listening on https?://##p" "$work/$1.log" 2> /dev/null | head -n 1)
    [ -n "$found" ] && { echo "$found"; return 0; }
    sleep 0.1
  done
  echo "$1 did not print '$2 listening on'; its errors:" >&2
  cat "$work/$1.err" >&2
  return 1
}
until_true() { # SECONDS COMMAND...
  local tries=$(($1 * 10)) i
  shift
  for ((i = 0; i < tries; i++)); do
    "$@" > /dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}
check() { # NAME COMMAND...: passes when the command succeeds
  local name=$1
  shift
  if "$@" > "$work/last" 2>&1; then
    echo "PASS $name"
  else
    echo "FAIL $name"
    excerpt "$work/last" | sed 's/^/     /'
    failures=$((failures + 1))
  fi
}
excerpt() { # FILE: what went wrong stands first or last, or in the lines that name it
  if [ "$(wc -l < "$1")" -le 60 ]; then cat "$1"; else
    head -n 5 "$1"
    echo ...
    grep -nE -A 12 '^ *Failed |FAIL' "$1" | head -n 60
    echo ...
    tail -n 20 "$1"
  fi | cut -c 1-300
}
says() { # PATTERN COMMAND...: the command's output, errors included, has the pattern; its exit code does not matter
  local pattern=$1 output
  shift
  output=$("$@" 2>&1 < /dev/null)
  grep -qE -- "$pattern" <<< "$output" || { printf 'wanted: %s\ngot: %s\n' "$pattern" "$output"; return 1; }
}
done_checking() { exit $((failures > 0)); }

# The shop behind three sidecars; sets orders, and metrics/admin addresses as "NAME_metrics" …
start_shop() {
  start control Mesh.ControlPlane serve --listen 127.0.0.1:0 --data "$work/data"
  api=$(address control api) || return 1
  local name
  for name in products delivery orders; do
    start "$name-sidecar" Mesh.Sidecar run --service "$name:8080" --app "127.0.0.1:$(free_port "$name")" \
      --control-plane "http://$api" --node "$name-1" --state "$work/$name-state" \
      --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0
    http_proxy="http://$(address "$name-sidecar" outbound)" start "$name" Mesh.Shop "$name" --listen "127.0.0.1:$(free_port "$name")"
    address "$name" "$name" > /dev/null || return 1
  done
  orders=$(address orders-sidecar inbound)
  until_true 20 order
}
free_port() { # NAME: one port for the application of this name, below the range that the kernel hands out
  if [ ! -s "$work/$1.port" ]; then echo $((20000 + (RANDOM % 10000))) > "$work/$1.port"; fi
  cat "$work/$1.port"
}
order() { curl -sf -m 10 -H 'content-type: application/json' -d '{"productId":2,"quantity":1}' "http://$orders/orders"; }
