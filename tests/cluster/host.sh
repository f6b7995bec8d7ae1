#!/usr/bin/env bash
# The first process of a host (hosts.py), in namespaces that were made for it:
#
#   host.sh NAME FOLDER MEGABYTES SHARED...
#
# Gives the host its name, its own /tmp, /run and /dev/shm, and the names of the others. Of /tmp it
# keeps what is SHARED. Then it collects the processes that end, as a first process must, until its
# standard input ends: the kernel then kills whatever is left on the host.
set -euo pipefail

name=$1 folder=$2 megabytes=$3
shared=("${@:4}")

hostname "$name"
ip link set lo up

for i in "${!shared[@]}"; do
    mkdir -p "$folder/carried/$i"
    mount --bind -- "${shared[i]}" "$folder/carried/$i"
done
mount -t tmpfs -o "size=${megabytes}m,mode=1777" "$name" /tmp
mount -t tmpfs -o "size=256m,mode=1777" "$name" /dev/shm
mount -t tmpfs -o "size=64m,mode=755" "$name" /run
for i in "${!shared[@]}"; do
    mkdir -p -- "${shared[i]}"
    mount --move "$folder/carried/$i" "${shared[i]}"
done
mount --bind "$folder/../names" /etc/hosts
mkdir -p /tmp/home

echo "up"
# Bash collects ended processes while it waits for the line.
read -r _ || true
