#!/bin/sh
# mount-home.sh IMAGE FOLDER
# Mounts a home's image (system/homes.ts). Nothing of it outlives the session, so nothing waits for the disk: no barriers.
# noinit_itable: or the kernel would write all inode tables in the background, and the image were not sparse any more.
set -e
mount -t ext4 -o loop,nosuid,nodev,noatime,nobarrier,noinit_itable -- "$1" "$2"
# past the host's page cache: or whoever fills their home has the kernel copy it all, and takes the others' processors with it
losetup --direct-io=on "$(findmnt --noheadings --output SOURCE --mountpoint "$2")" 2>/dev/null || :
