#!/usr/bin/env bash
# Builds the images with podman and runs them. No image of an SDK can be had everywhere, so what their first stage makes is made here, by the same
# commands; and the runtime's image is made of this machine's runtime and the libraries it loads.
. "$(dirname "$0")/lib.sh"
ulimit -n 4096 -u 4096 # podman sets these for containers, and a machine may allow no more
store=(podman --root "$work/store" --runroot "$work/runroot" --cgroup-manager cgroupfs --runtime runc --events-backend none)
images=$PWD/artifacts/images
engine() { timeout 120 "${store[@]}" "$@"; }
leave() {
  engine rm -fa > /dev/null 2>&1
  umount "$work/store/overlay" 2> /dev/null # else the folder stays
  cleanup
}
trap leave EXIT
publish() { # PROJECT FOLDER
  rm -rf "$images/$2"
  dotnet publish "$1" -c Release -o "$images/$2/app" -v q -p:DebugType=none -p:PublishDocumentationFiles=false > "$work/publish.log" 2>&1
}
build() { # NAME CONTAINERFILE CONTEXT BUILD...
  engine build -q --timestamp 0 --no-cache -f "$2" -t "localhost/$1" --build-context "build=$3" "${@:4}" .
}
run() { engine run --rm --network host --read-only --cap-drop all --security-opt no-new-privileges "$@"; }
behind() { # NAME ARGUMENTS...: runs in the background, as `start` does
  local name=$1
  : > "$work/$name.log"
  "${store[@]}" run --rm --name "$name" --network host --read-only --cap-drop all --security-opt no-new-privileges "${@:2}" >> "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}
inspect() { engine image inspect --format "$2" "localhost/$1"; }
end() { engine stop -t 10 "$1" > /dev/null 2>&1; wait "${pid[$1]}"; local code=$?; unset "pid[$1]"; return $code; }

native=artifacts/native/publish/Mesh.Sidecar # the same as check-native.sh makes: what is there already is only brought up to date
bash tests/tools/publish-native.sh "$(dirname "$native")" > "$work/native.log" 2>&1 || { echo 'FAIL the native sidecar'; tail "$work/native.log"; exit 1; }
bash sidecar/image-root.sh "$native" "$work/sidecar/image" || exit 1
publish control-plane/Mesh.ControlPlane control-plane || { cat "$work/publish.log"; exit 1; }
publish bench/Mesh.Shop shop || { cat "$work/publish.log"; exit 1; }

# The base: runtime and libraries, at the places where the public image has the runtime.
dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
base=$work/base && mkdir -p "$base"/{tmp,etc,usr/lib,usr/lib64,usr/share/dotnet} && chmod 1777 "$base/tmp"
ln -s usr/lib "$base/lib" && ln -s usr/lib64 "$base/lib64"
cp -r "$dotnet"/{dotnet,host,shared} "$base/usr/share/dotnet/"
find "$dotnet/dotnet" "$dotnet/shared" -name '*.so' -print0 | xargs -0 ldd 2> /dev/null | sed -nE 's#^(.* => |\s+)(/[^ ]+) \(0x.*#\2#p' | sort -u > "$work/libraries"
ls /usr/lib/"$(uname -m)"-linux-gnu/lib{ssl,crypto}.so.3 >> "$work/libraries"
while read -r library; do cp -L --parents "$(realpath "$(dirname "$library")")/$(basename "$library")" "$base"; done < "$work/libraries"
printf 'FROM scratch\nCOPY . /\n' > "$work/Containerfile"
check 'a base of this machine runtime' engine build -q --timestamp 0 -f "$work/Containerfile" -t localhost/base "$base"

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
