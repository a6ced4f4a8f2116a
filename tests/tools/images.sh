#!/usr/bin/env bash
# Sourced after lib.sh by the checks that run images. No image of an SDK can be had everywhere, so what the first stage of the Containerfiles makes is made here, by the
# same commands; and the runtime's image is made of this machine's runtime and the libraries it loads. What is built already is only brought up to date.
ulimit -n 4096 -u 4096 # podman sets these for containers, and a machine may allow no more
store=(podman --root "$work/store" --runroot "$work/runroot" --cgroup-manager cgroupfs --runtime runc --events-backend none)
images=$PWD/artifacts/images
engine() { timeout 120 "${store[@]}" "$@"; }
end_images() { # before cleanup
  engine pod rm -fa -t 0 > /dev/null 2>&1
  engine rm -fa -t 0 > /dev/null 2>&1
  umount "$work/store/overlay" 2> /dev/null # else the folder stays
}
build() { # NAME CONTAINERFILE CONTEXT BUILD...
  engine build -q --timestamp 0 --no-cache -f "$2" -t "localhost/$1" --build-context "build=$3" "${@:4}" .
}
publish() { # PROJECT FOLDER
  rm -rf "$images/$2" && mkdir -p "$images/$2/usr/share" && cp -r /usr/share/zoneinfo "$images/$2/usr/share/"
  dotnet publish "$1" -c Release -o "$images/$2/app" -v q -p:DebugType=none -p:PublishDocumentationFiles=false > "$work/publish.log" 2>&1 || { cat "$work/publish.log"; return 1; }
}
libraries_of() { ldd "$@" 2> /dev/null | sed -nE 's#^(.* => |\s+)(/[^ ]+) \(0x.*#\2#p' | sort -u; } # PROGRAM...
copy_into() { # ROOT: the files that are named on standard input, each to the path it has here
  local file
  while read -r file; do cp -L --parents "$(realpath "$(dirname "$file")")/$(basename "$file")" "$1"; done
}
sidecar_root() { # makes $work/sidecar/image, the context of the sidecar's Containerfile
  local native=artifacts/native/publish/Mesh.Sidecar # the same as check-native.sh makes; the first takes minutes, so .ci/run makes it before all scripts
  bash tests/tools/publish-native.sh "$(dirname "$native")" > "$work/native.log" 2>&1 || { echo 'FAIL the native sidecar'; tail "$work/native.log"; return 1; }
  bash sidecar/image-root.sh "$native" "$work/sidecar/image"
}
base_image() { # localhost/base: runtime and libraries, at the places where the public image has the runtime
  local dotnet base=$work/base parts
  dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
  mkdir -p "$base"/{tmp,etc,usr/lib,usr/lib64,usr/share/dotnet} && chmod 1777 "$base/tmp"
  ln -s usr/lib "$base/lib" && ln -s usr/lib64 "$base/lib64"
  cp -r "$dotnet"/{dotnet,host,shared} "$base/usr/share/dotnet/"
  mapfile -t parts < <(find "$dotnet/dotnet" "$dotnet/shared" -name '*.so')
  { libraries_of "${parts[@]}"; ls /usr/lib/"$(uname -m)"-linux-gnu/lib{ssl,crypto}.so.3; } | copy_into "$base"
  printf 'FROM scratch\nCOPY . /\n' > "$work/Containerfile"
  engine build -q --timestamp 0 -f "$work/Containerfile" -t localhost/base "$base"
}
