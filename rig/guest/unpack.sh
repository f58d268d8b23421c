#!/bin/bash
# unpack.sh FOLDER PACKAGE...
# Unpacks Debian packages, with what they need and this machine lacks, into FOLDER. Nothing is installed on the system.
# A complete folder is left alone. Needs apt with package lists and a network the first time.
set -euo pipefail
folder=$1; shift
[[ -e $folder/.complete ]] && exit 0
mkdir -p "$(dirname "$folder")"
exec 9> "$folder.lock"; flock 9
[[ -e $folder/.complete ]] && exit 0
rm -rf "$folder" "$folder.debs"; mkdir -p "$folder" "$folder.debs/partial"
trap 'rm -rf "$folder.debs"' EXIT
apt=(apt-get -qq -y --no-install-recommends -o APT::Sandbox::User= -o Debug::NoLocking=1 -o Dir::Cache::archives="$folder.debs")
# Package lists that are missing, or older than the archive, are fetched privately.
if ! "${apt[@]}" install --download-only "$@" >&2; then
  mkdir -p "$folder.debs/lists/partial"
  apt+=(-o Dir::State::lists="$folder.debs/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
  "${apt[@]}" update >&2
  "${apt[@]}" install --download-only "$@" >&2
fi
# What is installed already is not downloaded, though its files are wanted here all the same.
for package in "$@"; do
  compgen -G "$folder.debs/${package}_*.deb" > /dev/null || (cd "$folder.debs" && "${apt[@]}" download "$package" >&2)
done
for deb in "$folder.debs"/*.deb; do dpkg -x "$deb" "$folder"; done
(cd "$folder.debs" && ls ./*.deb) > "$folder/.packages"
touch "$folder/.complete"
