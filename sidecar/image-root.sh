#!/usr/bin/env bash
# The root of the sidecar's image: image-root.sh PROGRAM ROOT
# The program, iptables, and the libraries that they load, each at the path it has here; no shell, no package manager. Runs on Debian and Ubuntu
# with iptables, libssl3, ca-certificates and tzdata installed: in the build stage of the Containerfile, or on a machine.
set -euo pipefail
program=${1:?usage: image-root.sh PROGRAM ROOT} root=${2:?usage: image-root.sh PROGRAM ROOT}
libraries=/usr/lib/$(uname -m)-linux-gnu
mkdir -p "$root"/{etc,proc,sys,dev,run,tmp,usr/sbin,usr/local/bin,usr/lib,usr/lib64,var/lib/mesh}
ln -sfn usr/lib "$root/lib" && ln -sfn usr/lib64 "$root/lib64" && ln -sfn usr/sbin "$root/sbin"
chmod 1777 "$root/tmp"
chown 1337:1337 "$root/var/lib/mesh"

install -m 755 "$program" "$root/usr/local/bin/mesh-sidecar"
install -m 755 /usr/sbin/xtables-nft-multi "$root/usr/sbin/"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sfn xtables-nft-multi "$root/usr/sbin/$name"
done
mkdir -p "$root$libraries/xtables"
cp "$libraries"/xtables/lib*.so "$root$libraries/xtables/"
# The program looks for OpenSSL when it first needs TLS, so no loader tells of it.
loaded=("$program" /usr/sbin/xtables-nft-multi "$libraries"/libssl.so.3 "$libraries"/libcrypto.so.3 "$libraries"/xtables/*.so)
{ printf '%s\n' "$libraries"/libssl.so.3 "$libraries"/libcrypto.so.3; ldd "${loaded[@]}" 2> /dev/null | sed -nE 's#^(.* => |\s+)(/[^ ]+) \(0x.*#\2#p'; } | sort -u |
  while read -r library; do
    path=$(realpath "$(dirname "$library")")/$(basename "$library") # /lib is a link to /usr/lib
    mkdir -p "$root$(dirname "$path")"
    cp -L "$library" "$root$path"
  done

mkdir -p "$root/etc/ssl/certs"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -p "$root/usr/share"
cp -r /usr/share/zoneinfo "$root/usr/share/" # the allowed hours of a RateLimit have a time zone
rm -rf "$root"/usr/share/zoneinfo/{right,posix,posixrules,localtime}
printf 'root:x:0:0::/:/\nmesh:x:1337:1337::/var/lib/mesh:/\n' > "$root/etc/passwd"
printf 'root:x:0:\nmesh:x:1337:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
