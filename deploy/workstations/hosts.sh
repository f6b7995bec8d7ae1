#!/usr/bin/env bash
# Makes a Ray cluster of this machine and of workstations that ssh reaches, for `quinoa --engine=ray`.
#
#   hosts.sh up HOST...      starts Ray here and on the hosts; those that have it already keep it
#   hosts.sh list            who is in the cluster, with cores and GPUs
#   hosts.sh down [HOST...]  ends it on these hosts; without names, on all of them and here
#
# ssh must reach each host without asking for a password, and Quinoa with Ray be installed there.
#
#   BIN=FOLDER      the folder of `ray` on the hosts (default: that of `ray` here)
#   ADDRESS=IP      this machine's address for the hosts (default: the one that leads to the first)
#   PORT=NUMBER     the port of Ray's head (default: 6379)
#
# Every host gets this machine's token of Ray (~/.ray/auth_token, made if there is none), by ssh's
# standard input: on a command line, everybody on the host could read it.
set -euo pipefail

port=${PORT:-6379}
# Seconds until Ray must have started on a host.
start_s=90

fail() {
    echo "hosts.sh: $1" >&2
    exit 1
}

# What follows runs on each host, this one included. Homes may be shared, so a host has a folder.
state_of_host() {
    local state=$HOME/.local/state/quinoa-cluster/$(uname -n)
    (umask 077 && mkdir -p "$state")
    echo "$state"
}

# The process of `ray start`, if it runs; it ends what it has started when it ends.
ray_process() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && [[ $pid ]] || return 1
    # Another process may have the number by now.
    { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q 'ray start --block' && echo "$pid"
}

# join ADDRESS BIN TOKEN VERSIONS FLAGS...: starts Ray here, as this host's part of the cluster whose head
# is at ADDRESS. VERSIONS must be this host's too, unless empty.
join() {
    local address=$1 bin=$2 token=$3 versions=$4 state log pid here
    shift 4
    state=$(state_of_host)
    log=$state/ray.log
    [[ -x $bin/ray ]] || { echo "there is no $bin/ray: install Quinoa with Ray, or set BIN"; return 1; }
    here=$(versions_of "$bin")
    if [[ $versions && $here != "$versions" ]]; then
        echo "it has $here, where the head has $versions: install the same"
        return 1
    fi
    (umask 077 && mkdir -p "$HOME/.ray")
    if [[ -s $HOME/.ray/auth_token && $(<"$HOME/.ray/auth_token") != "$token" ]]; then
        echo "it has another token of Ray in ~/.ray/auth_token: move that away, or copy it to the head"
        return 1
    fi
    # Ray makes it readable to all.
    (umask 077 && printf %s "$token" >"$HOME/.ray/auth_token" && chmod 600 "$HOME/.ray/auth_token")
    if pid=$(ray_process "$state"); then
        echo "has Ray already"
        return 0
    fi
    : >"$log"
    # What Ray starts is to find CUDA, where the environment has it (see scripts/with_cuda.sh).
    local library cuda='' nvidia=$bin/../lib/python3.10/site-packages/nvidia
    for library in "$nvidia"/*/lib; do
        [[ -d $library ]] && cuda=$cuda$(realpath "$library"):
    done
    if [[ -d $nvidia/cuda_nvcc ]]; then
        export XLA_FLAGS="${XLA_FLAGS:+$XLA_FLAGS }--xla_gpu_cuda_data_dir='$(realpath "$nvidia/cuda_nvcc")'"
    fi
    # When Ray gives up a host, and when hosts leave that do not reach the head (docs/cluster.md, "When a
    # host dies"). By itself Ray takes a minute to give one up.
    export RAY_health_check_period_ms=3000 RAY_health_check_timeout_ms=1000
    export RAY_health_check_failure_threshold=9 RAY_gcs_rpc_server_reconnect_timeout_s=120
    # While Ray waits for a host that has just died, it reserves room on no other.
    export RAY_grpc_client_keepalive_timeout_ms=20000
    # And this environment's commands. Nothing large passes through Ray's object store, which would
    # take 30 % of the memory.
    LD_LIBRARY_PATH=$cuda${LD_LIBRARY_PATH:-} PATH=$bin:$PATH RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 setsid nohup \
        "$bin/ray" start --block --object-store-memory=100000000 "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    echo "$pid" >"$state/pid"
    echo "$address" >"$state/address"
    local deadline=$((SECONDS + start_s))
    while ((SECONDS < deadline)); do
        if grep -q 'Ray runtime started' "$log"; then
            echo "started"
            return 0
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    leave >/dev/null
    echo "Ray did not start; the end of its log:"
    tail -n 5 "$log"
    return 1
}

versions_of() {
    "$1/python" -c 'import importlib.metadata as m, platform as p
print("Python", p.python_version(), "Ray", m.version("ray"), "Quinoa", m.version("quinoa"))'
}

leave() {
    local state pid deadline=$((SECONDS + 20))
    state=$(state_of_host)
    if pid=$(ray_process "$state"); then
        kill "$pid"
        while ((SECONDS < deadline)) && ray_process "$state" >/dev/null; do
            sleep 0.2
        done
        kill -KILL "$pid" 2>/dev/null || true
        echo "ended"
    else
        echo "had no Ray of ours"
    fi
    # Where Ray notes the cluster of this machine, for `auto`; `ray stop` would remove it.
    if [[ -s $state/address && $(cat /tmp/ray/ray_current_cluster 2>/dev/null) == "$(<"$state/address")" ]]; then
        rm -f /tmp/ray/ray_current_cluster
    fi
    rm -f "$state/pid" "$state/address"
}
# What follows runs on this machine alone.

# on HOST WORDS...: runs a function of the above on a host, and says what it said after the host's name.
on() {
    local host=$1 status=0 said
    shift
    said=$({
        declare -f state_of_host ray_process versions_of join leave
        printf 'start_s=%q\n' "$start_s"
        printf '%q ' "$@"
    } | if [[ $host == here ]]; then
        bash -s
    else
        ssh -o BatchMode=yes -o ConnectTimeout=10 "$host" bash -s
    fi 2>&1) || status=$?
    echo "$host: ${said:-ssh failed with status $status}"
    return "$status"
}

up() {
    [[ $# -gt 0 ]] || fail "name the workstations: hosts.sh up HOST..."
    local ray here_bin token address host failed=0 jobs=()
    ray=$(command -v ray) || fail "there is no ray here: activate the environment that has it (docs/cluster.md)."
    here_bin=$(dirname "$ray")
    token=$("$ray" get-auth-token --generate 2>/dev/null) || fail "Ray makes no token: is it 2.52 or later?"
    address=${ADDRESS:-$(address_towards "$1")}
    [[ $address ]] || fail "which address of this machine do the hosts reach? Set ADDRESS."
    on here join "$address:$port" "$here_bin" "$token" "" --head --node-ip-address="$address" --port="$port" \
        --include-dashboard=false || exit 1
    local versions
    versions=$(versions_of "$here_bin")
    for host in "$@"; do
        on "$host" join "$address:$port" "${BIN:-$here_bin}" "$token" "$versions" \
            --address="$address:$port" &
        jobs+=($!)
    done
    for host in "${jobs[@]}"; do
        wait "$host" || failed=$((failed + 1))
    done
    # For `down`, those that failed too: they may have been reached.
    printf '%s\n' "$@" >>"$(state_of_host)/hosts"
    ((failed == 0)) || fail "$failed of $# hosts did not join; mend them, and run this again."
    echo "The cluster is at $address:$port. To train on it: quinoa train --engine=ray"
}

# This machine's address on the way to a host, which may be an alias in ~/.ssh/config.
address_towards() {
    local name address
    name=$(ssh -G "$1" 2>/dev/null | awk '$1 == "hostname" {print $2}')
    address=$(getent ahostsv4 "${name:-$1}" | awk 'NR == 1 {print $1}')
    [[ $address ]] && ip route get "$address" | sed -n 's/.* src \([^ ]*\).*/\1/p'
}

list() {
    "$(dirname "$(command -v ray)")/python" - <<'PYTHON'
import ray

ray.init("auto", log_to_driver=False, logging_level="ERROR")
for node in sorted(ray.nodes(), key=lambda node: not node["Alive"]):
    if not node["Alive"]:
        print(f"{node['NodeManagerHostname']}: gone")
        continue
    resources = node["Resources"]
    cpus, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
    print(f"{node['NodeManagerHostname']} {node['NodeManagerAddress']}: {cpus} cores, {gpus} GPUs")
PYTHON
}

down() {
    local host file failed=0 hosts=("$@")
    file=$(state_of_host)/hosts
    if [[ $# -eq 0 && -f $file ]]; then
        mapfile -t hosts < <(sort -u "$file")
    fi
    for host in "${hosts[@]}"; do
        on "$host" leave || failed=$((failed + 1))
    done
    if [[ $# -eq 0 ]]; then
        on here leave
        rm -f "$file"
    fi
    ((failed == 0)) || fail "$failed of ${#hosts[@]} hosts were not reached. Without a head, Ray ends there by itself within minutes."
}

case ${1:-} in
up | list | down) "$@" ;;
*) fail "say what to do: hosts.sh up HOST..., list, or down [HOST...]." ;;
esac
