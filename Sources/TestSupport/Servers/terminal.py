#!/usr/bin/env python3
"""Runs a program on a terminal of its own, with a small shell between them that knows job control.

  terminal.py [--term TERM] STEP ... -- PROGRAM ARGUMENT ...

Steps, one after the other:
  wait=TEXT   until TEXT has been written since the last such step
  keys=TEXT   type it; escapes of Python, such as \\x1a for Ctrl-Z, are understood
  stopped     until the program was stopped, which gives the terminal back to the shell
  continue    as `fg` does
  hangup      close the terminal's window
  exit        until the program has ended

Writes one JSON object: `output` (everything that was written to the terminal), `code` (null if it still ran).
A step that takes more than 30 seconds ends everything with exit code 1. Python's standard library only.
"""

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 30  # seconds


def shell(slave, events, orders, program, term):
    """The session leader: starts the program in the foreground, tells of its stops and its end, and continues it."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ready, go = os.pipe()
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.close(go)
        os.read(ready, 1)  # until the terminal is ours
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        environment = dict(os.environ)
        environment.pop("TERM", None)
        if term is not None:
            environment["TERM"] = term
        os.execvpe(program[0], program, environment)
    os.close(ready)
    try:
        os.setpgid(job, job)
    except PermissionError:
        pass  # it was faster
    os.tcsetpgrp(0, job)
    os.close(go)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            os.write(events, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        os.tcsetpgrp(0, os.getpgrp())
        os.write(events, b"stopped\n")
        os.read(orders, 1)
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)


class Window:
    """The other end of the terminal."""

    def __init__(self, master, events, orders):
        self.master, self.events, self.orders = master, events, orders
        self.output, self.seen, self.news = b"", 0, b""

    def until(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not in {PATIENCE} s: {what}")
            open_ends = [end for end in (self.master, self.events) if end is not None]
            for end in select.select(open_ends, [], [], 0.1)[0]:
                try:
                    data = os.read(end, 65536)
                except OSError:  # nobody has the terminal open any more
                    data = b""
                if end == self.events:
                    self.news += data
                elif data:
                    self.output += data
                else:
                    os.close(self.master)
                    self.master = None

    def step(self, step):
        name, _, text = step.partition("=")
        if name == "wait":
            wanted = text.encode().decode("unicode_escape").encode("latin-1")
            self.until(step, lambda: wanted in self.output[self.seen :])
            self.seen = self.output.index(wanted, self.seen) + len(wanted)
        elif name == "keys":
            os.write(self.master, text.encode().decode("unicode_escape").encode("latin-1"))
        elif name == "stopped":
            self.until(step, lambda: b"stopped\n" in self.news)
            self.news = self.news.replace(b"stopped\n", b"", 1)
        elif name == "continue":
            os.write(self.orders, b"c")
        elif name == "hangup":
            os.close(self.master)
            self.master = None
        elif name == "exit":
            self.until(step, lambda: b"exit " in self.news)
        else:
            raise ValueError(f"no such step: {step}")

    def code(self):
        words = self.news.split()
        return int(words[words.index(b"exit") + 1]) if b"exit" in words else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--term")
    parser.add_argument("steps", nargs="*")
    own = sys.argv[1 : sys.argv.index("--")]
    program = sys.argv[sys.argv.index("--") + 1 :]
    arguments = parser.parse_args(own)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    news, events = os.pipe()
    orders, order = os.pipe()
    leader = os.fork()
    if leader == 0:
        os.close(master)
        os.close(news)
        os.close(order)
        shell(slave, events, orders, program, arguments.term)
    for end in (slave, events, orders):
        os.close(end)
    window = Window(master, news, order)
    problem = None
    try:
        for step in arguments.steps:
            window.step(step)
    except (TimeoutError, OSError) as error:
        problem = str(error)
    print(json.dumps({"output": window.output.decode("utf-8", "replace"), "code": window.code()}))
    if problem:
        print(problem, file=sys.stderr)
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    main()
