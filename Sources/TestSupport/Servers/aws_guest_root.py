"""The root file system of a booted instance: this machine's own, under an overlay in memory."""

import ctypes
import errno
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

# `shutdown`, `poweroff`, `halt` and `systemctl` of the instance; the first process takes SIGUSR1 as the power button.
POWER = """#!/bin/sh
name=${0##*/} delay=0
case $name in
  systemctl)
    case ${1-} in
      poweroff | halt) ;;
      *) echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2; exit 1 ;;
    esac ;;
  reboot) echo "reboot: this instance cannot be rebooted" >&2; exit 1 ;;
  shutdown)
    when=+1
    for word; do
      case $word in
        -c | -r | --reboot) echo "shutdown: $word is not supported here" >&2; exit 1 ;;
        -*) ;;
        *) when=$word; break ;;
      esac
    done
    case $when in
      now) ;;
      +[0-9]*) delay=$((${when#+} * 60)) ;;
      *) echo "shutdown: cannot parse the time $when" >&2; exit 1 ;;
    esac ;;
esac
if [ "$(id -u)" != 0 ]; then echo "$name: must be root" >&2; exit 1; fi
[ "$delay" = 0 ] || { (sleep "$delay"; kill -USR1 1) >/dev/null 2>&1 </dev/null & exit 0; }
exec kill -USR1 1
"""


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0, options=None):
    words = [None if each is None else each.encode() for each in (source, target, kind)]
    check(LIBC.mount(*words, ctypes.c_ulong(flags), None if options is None else options.encode()), f"mount {target}")


def lay_root():
    """Lays the overlay in memory below /mnt, in this process's own mount namespace, and returns its root."""
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    mount("tmpfs", "/mnt", "tmpfs", options="size=2g,mode=755")
    for name in ("upper", "work", "root"):
        os.mkdir("/mnt/" + name)
    mount("overlay", "/mnt/root", "overlay", options="lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work")
    if not os.path.exists("/mnt/root/usr/bin/env"):
        raise OSError(errno.ENOTSUP, "/usr is not on the root file system")
    return "/mnt/root"


def furnish(root, config):
    """Mounts, devices, users and programs of the instance."""
    modes = {"tmp": "1777", "var/tmp": "1777", "root": "700"}
    for name in ("tmp", "var/tmp", "root", "home", "work", "run", "mnt", "dev"):
        if os.path.isdir(f"{root}/{name}"):
            mount("tmpfs", f"{root}/{name}", "tmpfs", NO_DEV, f"size=1g,mode={modes.get(name, '755')}")
    mount("proc", f"{root}/proc", "proc", NO_SUID | NO_DEV | NO_EXEC)
    for name in ("sys", "sysrq-trigger", "irq", "bus"):
        path = f"{root}/proc/{name}"
        if os.path.exists(path):
            mount(path, path, flags=BIND)
            mount(path, path, flags=BIND | REMOUNT | READ_ONLY)
    mount("sysfs", f"{root}/sys", "sysfs", READ_ONLY | NO_SUID | NO_DEV | NO_EXEC)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        open(f"{root}/dev/{name}", "w").close()
        mount(f"/dev/{name}", f"{root}/dev/{name}", flags=BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{root}/dev/{name}")
    mount("devpts", f"{root}/dev/pts", "devpts", NO_SUID | NO_EXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    mount("tmpfs", f"{root}/dev/shm", "tmpfs", NO_SUID | NO_DEV, "mode=1777,size=256m")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    for name in ("shutdown", "poweroff", "halt", "reboot", "systemctl"):
        for folder in ("usr/sbin", "usr/bin") if name != "systemctl" else ("usr/bin",):
            path = f"{root}/{folder}/{name}"
            if os.path.lexists(path):
                os.unlink(path)
            write(path, POWER, 0o755)
    host = "ip-" + config["address"].replace(".", "-")
    write(f"{root}/etc/hostname", host + "\n")
    write(f"{root}/etc/hosts", f"127.0.0.1 localhost\n{config['address']} {host}\n")
    add_user(root, config["user"], config["key"])
    check(LIBC.sethostname(host.encode(), len(host)), "sethostname")


def write(path, text, mode=0o644):
    # Not through a symbolic link, nor into a file with another mode.
    if os.path.lexists(path):
        os.unlink(path)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def add_user(root, name, key):
    """The user of the image, who may become root without a password where there is sudo."""
    number, home = 1000, f"{root}/home/{name}"
    taken = {line.split(":")[2] for line in open(f"{root}/etc/passwd", encoding="utf-8")}
    while str(number) in taken:
        number += 1
    for file, line in (("passwd", f"{name}:x:{number}:{number}::/home/{name}:/bin/sh"), ("shadow", f"{name}:*:19000:0:99999:7:::"),
                       ("group", f"{name}:x:{number}:")):
        with open(f"{root}/etc/{file}", "a", encoding="utf-8") as out:
            out.write(line + "\n")
    os.makedirs(home + "/.ssh", 0o700)
    write(home + "/.ssh/authorized_keys", (key or "") + "\n", 0o600)
    os.chmod(home, 0o755)
    for path in (home, home + "/.ssh", home + "/.ssh/authorized_keys"):
        os.chown(path, number, number)
    if os.path.isdir(f"{root}/etc/sudoers.d"):
        write(f"{root}/etc/sudoers.d/90-cloud-init-users", f"{name} ALL=(ALL) NOPASSWD:ALL\n", 0o440)


def enter(root):
    os.chdir(root)
    check(LIBC.syscall(PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", DETACH), "umount")
    os.chdir("/")
