#!/usr/bin/env bash
# Builds the images with podman and runs them.
. "$(dirname "$0")/lib.sh"
. tests/tools/images.sh
leave() {
  end_images
  cleanup
}
trap leave EXIT
run() { engine run --rm --network host --read-only --cap-drop all --security-opt no-new-privileges "$@"; }
behind() { # NAME ARGUMENTS...: runs in the background, as `start` does
  local name=$1
  : > "$work/$name.log"
  "${store[@]}" run --rm --name "$name" --network host --read-only --cap-drop all --security-opt no-new-privileges "${@:2}" >> "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}
inspect() { engine image inspect --format "$2" "localhost/$1"; }
end() { engine stop -t 10 "$1" > /dev/null 2>&1; wait "${pid[$1]}"; local code=$?; unset "pid[$1]"; return $code; }

sidecar_root || exit 1
publish control-plane/Mesh.ControlPlane control-plane || exit 1
publish bench/Mesh.Shop shop || exit 1
check 'a base of this machine runtime' base_image

check 'build the sidecar' build sidecar sidecar/Containerfile "$work/sidecar"
check 'build the control plane' build control-plane control-plane/Containerfile "$images/control-plane" --build-arg BASE=localhost/base
check 'build the shop' build shop bench/Mesh.Shop/Containerfile "$images/shop" --build-arg BASE=localhost/base
for image in sidecar control-plane; do
  user=$(inspect $image '{{.Config.User}}')
  check "$image runs as 1337" test "$user" = 1337:1337
  first=$(inspect $image '{{.Digest}}')
  context=$work/sidecar
  [ $image = sidecar ] || context=$images/control-plane
  check "$image, built again" build $image $image/Containerfile "$context" --build-arg BASE=localhost/base
  check "$image, built again, has the same digest" test "$first" = "$(inspect $image '{{.Digest}}')"
done
size=$(($(inspect sidecar '{{.Size}}') >> 20))
echo "the sidecar's image has $size MiB, the control plane's $(($(inspect control-plane '{{.Size}}') >> 20)) MiB"
check 'the sidecar is small' test "$size" -lt 64
check 'sidecar --version' says '^mesh-sidecar [0-9]' run localhost/sidecar --version
check 'control plane --version' says '^mesh-control-plane [0-9]' run localhost/control-plane --version
check 'the sidecar writes no rule without the right to' says 'iptables' run localhost/sidecar init
rules() { engine run --rm --network none --user 0:0 --cap-drop all --cap-add net_admin --cap-add net_raw localhost/sidecar init; }
check 'init writes the rules of a pod with NET_ADMIN and NET_RAW alone' says 'iptables: traffic goes through the sidecar' rules

# An order through three sidecars of the image, none of which may write anywhere but to its state.
behind control --tmpfs /data:mode=1777 localhost/control-plane serve --listen 127.0.0.1:0 --data /data
api=$(address control api) || exit 1
for name in products delivery orders; do
  behind "$name-sidecar" --tmpfs /var/lib/mesh:mode=1777 localhost/sidecar run --service "$name:8080" --app "127.0.0.1:$(free_port "$name")" \
    --control-plane "http://$api" --node "$name-1" --state /var/lib/mesh \
    --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0
  behind "$name" --env "http_proxy=http://$(address "$name-sidecar" outbound)" localhost/shop "$name" --listen "127.0.0.1:$(free_port "$name")"
  address "$name" "$name" > /dev/null || exit 1
done
orders=$(address orders-sidecar inbound)
check 'an order goes through' until_true 30 order
check 'the sidecar ends with 0 when it is told to' end orders-sidecar
check 'the control plane too' end control
for name in products-sidecar delivery-sidecar products delivery orders; do end "$name" > /dev/null; done
done_checking
