# Fills the cache: Debian packages unpacked beside the system, and a Python environment. Sourced, never run.

# get PACKAGE...: download and unpack.
get() {
  # An index of the machine may be missing or older than what the archive still has: then one of our own.
  if ! (cd "$RIG_CACHE/debs" && "${APT[@]}" download "$@") 2> "$RIG_CACHE/apt.log"; then
    [[ -z ${OWN_INDEX:-} ]] || { cat "$RIG_CACHE/apt.log" >&2; die "cannot download $*"; }
    OWN_INDEX=yes
    mkdir -p "$RIG_CACHE/apt/lists/partial" "$RIG_CACHE/apt/cache/archives/partial"
    APT+=(-o Dir::State::lists="$RIG_CACHE/apt/lists" -o Dir::Cache="$RIG_CACHE/apt/cache")
    "${APT[@]}" update || die "no index of Debian packages"
    (cd "$RIG_CACHE/debs" && "${APT[@]}" download "$@") || die "cannot download $*"
  fi
}

unpack() {
  local deb
  for deb in "$RIG_CACHE"/debs/*.deb; do dpkg -x "$deb" "$PKG"; done
}

# Libraries that what was unpacked wants and neither it nor the machine has.
missing_libraries() {
  find "$PKG" -type f \( -perm -u+x -o -name '*.so*' \) -exec env LD_LIBRARY_PATH="$LIBRARIES" ldd {} + 2>/dev/null |
    awk '/not found/ { print $1 }' | sort -u
}

package_of() {
  case $1 in
    libunbound.so.*) echo libunbound8 ;; libxdp.so.*) echo libxdp1 ;;
    libbpf.so.*) echo libbpf1 ;; libnuma.so.*) echo libnuma1 ;;
    libcap-ng.so.*) echo libcap-ng0 ;; libevent-2.1.so.*) echo libevent-2.1-7 ;;
    libelf.so.*) echo libelf1 ;; libhogweed.so.*) echo libhogweed6 ;;
    libnettle.so.*) echo libnettle8 ;; libgmp.so.*) echo libgmp10 ;;
    liburing.so.*) echo liburing2 ;; libaio.so.*) echo libaio1 ;;
    libssl.so.* | libcrypto.so.*) echo libssl3 ;; libudev.so.*) echo libudev1 ;;
    libpcre2-8.so.*) echo libpcre2-8-0 ;; liblz4.so.*) echo liblz4-1 ;;
    libsystemd.so.*) echo libsystemd0 ;; libcrypt.so.*) echo libcrypt1 ;;
    libz.so.*) echo zlib1g ;; libstdc++.so.*) echo libstdc++6 ;;
    *) die "no Debian package is known for $1" ;;
  esac
}

install_debs() {
  [[ -e $PKG/.complete ]] && return
  say "unpacking Debian packages into $PKG"
  rm -rf "$PKG" "$RIG_CACHE/debs"
  mkdir -p "$PKG" "$RIG_CACHE/debs"
  APT=(apt-get -qq -o APT::Sandbox::User= -o Debug::NoLocking=1)
  get openvswitch-switch openvswitch-common ovn-common ovn-central ovn-host mariadb-server-core
  unpack
  local round library more
  for round in 1 2 3 4; do
    more=()
    for library in $(missing_libraries); do more+=("$(package_of "$library")"); done
    [[ ${#more[@]} -eq 0 ]] && break
    say "also unpacking ${more[*]}"
    get "${more[@]}"
    unpack
  done
  (cd "$RIG_CACHE/debs" && ls -- *.deb) > "$PKG/.versions"
  rm -rf "$RIG_CACHE/debs" "$RIG_CACHE/apt" "$RIG_CACHE/apt.log" "$PKG/usr/share/doc" "$PKG/usr/share/man"
  touch "$PKG/.complete"
}

install_venv() {
  local lock=$HERE/requirements.lock sum uv=$RIG_CACHE/uv/bin/uv python
  sum=$(sha256sum < "$lock" | cut -c1-16)
  [[ -e $VENV/.complete-$sum ]] && return
  say "installing $(wc -l < "$lock") Python packages into $VENV"
  rm -rf "$VENV"
  for python in /usr/bin/python3 python3; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break || python=
  done
  [[ -n $python ]] || die "no Python from 3.11 on that has venv (Debian: python3-venv)"
  if command -v uv > /dev/null; then
    uv=uv
  elif [[ ! -x $uv ]]; then
    "$python" -m venv "$RIG_CACHE/uv"
    "$RIG_CACHE/uv/bin/pip" install -q 'uv==0.*'
  fi
  export UV_CACHE_DIR=$RIG_CACHE/uv-cache
  "$uv" venv -q --python "$python" "$VENV"
  "$uv" pip install -q --python "$VENV/bin/python" --no-deps -r "$lock"
  rm -rf "$UV_CACHE_DIR"
  touch "$VENV/.complete-$sum"
}

# Two rigs that start at once fill one cache once.
fill_cache() {
  mkdir -p "$RIG_CACHE"
  local debs venv
  exec 8> "$RIG_CACHE/.lock"
  flock 8
  install_debs & debs=$!
  install_venv & venv=$!
  wait $debs || die "no Debian packages"
  wait $venv || die "no Python packages"
  exec 8>&-
}
