#!/usr/bin/env python3
"""A terminal: runs a program on a pseudo-terminal, keeps its screen, and tells what a person would see on it.

Commands come on standard input, one a line, and each is answered by one line of JSON. Standard input may be a file that
grows: its end is not the end. TEXT is a JSON string.

send "TEXT"                 types TEXT
resize WIDTH HEIGHT         changes the size, as a window manager does
signal NUMBER               sends a signal to the program
wait SECONDS ["TEXT", …]    until each TEXT stands somewhere on the screen, on one line
updates SECONDS COUNT       until COUNT more synchronized updates were drawn
stop SECONDS                until the program is stopped (SIGTSTP, SIGSTOP)
end SECONDS                 until the program has ended
screen                      asks only

Every answer has the same keys:

ok            false if the wait was in vain
lines         the screen from top to bottom, without the blanks at the ends of lines
painted       the numbers of the lines with colours or other attributes
cursor        whether it is shown
alternate     whether the alternate screen is on
echo, cooked  what the terminal does with what is typed (ECHO, ICANON)
restored      whether all of the terminal's modes are as they were before the program
escapes       how many escape sequences were written so far
wraps         how often text went on in the next line because it was longer than the terminal is wide
updates       how many synchronized updates were drawn
unknown       sequences that this screen does not know
stopped       whether the program is stopped
code          the exit code, 128 and the number of the signal that ended it, or null

It behaves as xterm does where terminals differ: what is erased from the cursor on includes the last column when a full
line was just written. It ends when its parent does, or its standard input if that is a pipe, and takes the program with
it.
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import select
import signal
import stat
import struct
import sys
import termios
import time
import unicodedata

BLANK = (" ", "")
# How the keeper tells about the program, in between what the program writes: so nothing of that is missed.
REPORT = "cloudjobs-terminal;"


class Screen:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.main = self.cells = self.blank()
        self.column = self.row = 0
        self.attributes = ""
        self.full = False  # The last column was written, and the next letter goes to the next line.
        self.cursor, self.alternate = True, False
        self.saved = self.saved_main = (0, 0, "")
        self.shown = None  # What stays on the screen during a synchronized update.
        self.escapes = self.wraps = self.updates = 0
        self.unknown = []
        self.reports = []
        self.pending = ""

    def blank(self):
        return [[BLANK] * self.width for _ in range(self.height)]

    def resize(self, width, height):
        pages = [self.main] if self.cells is self.main else [self.main, self.cells]
        self.width, self.height = width, height
        for page in pages:
            for index, line in enumerate(page):
                page[index] = (line + [BLANK] * (width - len(line)))[:width]
            # A terminal that becomes lower keeps the line with the cursor.
            while len(page) > height:
                if page is self.cells and self.row >= height:
                    del page[0]
                    self.row -= 1
                else:
                    page.pop()
            while len(page) < height:
                page.append([BLANK] * width)
        self.row, self.column, self.full = min(self.row, height - 1), min(self.column, width - 1), False
        self.shown = None

    # What stands there

    def picture(self):
        cells = self.shown or self.cells
        lines = ["".join(letter for letter, _ in line).rstrip() for line in cells]
        painted = [number for number, line in enumerate(cells) if any(attributes for _, attributes in line)]
        return lines, painted

    # Writing

    def write(self, text):
        text = self.pending + text
        self.pending = ""
        place = 0
        while place < len(text):
            letter = text[place]
            if letter == "\x1b":
                end = self.escape(text, place)
                if end is None:
                    self.pending = text[place:]
                    return
                place = end
            else:
                self.letter(letter)
                place += 1

    def letter(self, letter):
        if letter == "\r":
            self.column, self.full = 0, False
        elif letter in "\n\v\f":
            self.line_feed()
        elif letter == "\b":
            self.column, self.full = max(0, self.column - 1), False
        elif letter == "\t":
            self.column = min(self.width - 1, self.column // 8 * 8 + 8)
        elif ord(letter) >= 32 and letter != "\x7f":
            self.put(letter)

    def put(self, letter):
        if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
            column = self.column if self.full else max(0, self.column - 1)
            before, attributes = self.cells[self.row][column]
            self.cells[self.row][column] = (before + letter, attributes)
            return
        wide = unicodedata.east_asian_width(letter) in "WF"
        if self.full or (wide and self.column == self.width - 1):
            self.wraps += 1
            self.column, self.full = 0, False
            self.line_feed()
        line = self.cells[self.row]
        line[self.column] = (letter, self.attributes)
        if wide:
            self.column += 1
            line[self.column] = ("", self.attributes)
        if self.column == self.width - 1:
            self.full = True
        else:
            self.column += 1

    def line_feed(self):
        self.full = False
        if self.row < self.height - 1:
            self.row += 1
        else:
            del self.cells[0]
            self.cells.append([BLANK] * self.width)

    # Escape sequences

    def escape(self, text, place):
        """Carries out the sequence at `place` and returns where it ends, or None if it is not all there."""
        if place + 1 >= len(text):
            return None
        kind = text[place + 1]
        if kind == "[":
            end = place + 2
            while end < len(text) and " " <= text[end] <= "?":
                end += 1
            if end >= len(text):
                return None
            if text[end] < "@":
                return end  # A control character or another sequence breaks this one off.
            self.escapes += 1
            self.control(text[place + 2:end], text[end])
            return end + 1
        if kind == "]":
            ends = [(text.find(mark, place), len(mark)) for mark in ("\a", "\x1b\\")]
            ends = sorted((found, length) for found, length in ends if found >= 0)
            if not ends:
                return None
            found, length = ends[0]
            words = text[place + 2:found]
            if words.startswith(REPORT):
                self.reports.append(words[len(REPORT):])
            else:
                self.escapes += 1
            return found + length
        self.escapes += 1
        if kind in "()*+#%":
            return None if place + 2 >= len(text) else place + 3
        if kind == "7":
            self.saved = (self.row, self.column, self.attributes)
        elif kind == "8":
            self.row, self.column, self.attributes = self.saved
            self.full = False
        elif kind == "M":
            if self.row > 0:
                self.row -= 1
            else:
                self.cells.pop()
                self.cells.insert(0, [BLANK] * self.width)
        elif kind not in "=>":
            self.unknown.append("ESC " + kind)
        return place + 2

    def control(self, words, final):
        private = words[:1] if words[:1] in ("?", ">", "=") else ""
        numbers = [int(word) if word.isdigit() else 0 for word in words[len(private):].split(";")]
        count = max(1, numbers[0])
        line = self.cells[self.row]
        if private == "?" and final in "hl":
            for number in numbers:
                self.mode(number, final == "h")
        elif private:
            self.unknown.append(f"CSI {words}{final}")
        elif final == "m":
            self.attributes = "" if words in ("", "0") else words
        elif final in "Hf":
            self.move(count - 1, max(1, (numbers + [1])[1]) - 1)
        elif final == "A":
            self.move(self.row - count, self.column)
        elif final == "B":
            self.move(self.row + count, self.column)
        elif final == "C":
            self.move(self.row, self.column + count)
        elif final == "D":
            self.move(self.row, self.column - count)
        elif final == "G":
            self.move(self.row, count - 1)
        elif final == "d":
            self.move(count - 1, self.column)
        elif final == "K":
            self.full = False
            first = 0 if numbers[0] in (1, 2) else self.column
            last = self.column + 1 if numbers[0] == 1 else self.width
            line[first:last] = [BLANK] * (last - first)
        elif final == "J":
            self.full = False
            if numbers[0] == 0:
                line[self.column:] = [BLANK] * (self.width - self.column)
            rows = {0: range(self.row + 1, self.height), 1: range(self.row)}.get(numbers[0], range(self.height))
            for row in rows:
                self.cells[row] = [BLANK] * self.width
        elif final == "P":
            self.cells[self.row] = (line[:self.column] + line[self.column + count:] + [BLANK] * self.width)[:self.width]
        elif final == "@":
            self.cells[self.row] = (line[:self.column] + [BLANK] * count + line[self.column:])[:self.width]
        elif final == "X":
            last = min(self.width, self.column + count)
            line[self.column:last] = [BLANK] * (last - self.column)
        elif final not in "hlt":
            self.unknown.append(f"CSI {words}{final}")

    def move(self, row, column):
        self.row, self.column = min(max(row, 0), self.height - 1), min(max(column, 0), self.width - 1)
        self.full = False

    def mode(self, number, on):
        if number == 25:
            self.cursor = on
        elif number == 1049:
            if on and not self.alternate:
                self.saved_main = (self.row, self.column, self.attributes)
                self.cells = self.blank()
            elif not on and self.alternate:
                self.cells = self.main
                self.row, self.column, self.attributes = self.saved_main
                self.row, self.column = min(self.row, self.height - 1), min(self.column, self.width - 1)
                self.full = False
            self.alternate = on
        elif number == 2026:
            self.shown = [line[:] for line in self.cells] if on else None
            self.updates += not on
        elif number not in (1, 7, 2004):
            self.unknown.append(f"CSI ?{number}" + ("h" if on else "l"))


# The program


def keep(master, slave, command):
    """Leads the terminal's session, as a shell does, so that Ctrl-Z stops the program, and tells what becomes of it."""
    os.setsid()
    os.close(master)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (signal.SIGTTOU, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(slave, os.getpid())
        # What Python or a parent ignores, the program need not ignore.
        for number in signal.valid_signals():
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        for descriptor in range(3):
            os.dup2(slave, descriptor)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", flush=True)
            os._exit(127)

    def leave(*_):
        try:
            os.killpg(process, signal.SIGKILL)
        except OSError:
            pass  # It is gone already.
        os._exit(0)

    # Comes when the terminal goes away.
    signal.signal(signal.SIGHUP, leave)
    signal.signal(signal.SIGTERM, leave)
    report(slave, f"process {process}")
    while True:
        _, status = os.waitpid(process, os.WUNTRACED | os.WCONTINUED)
        if os.WIFSTOPPED(status):
            report(slave, "stopped")
        elif os.WIFCONTINUED(status):
            report(slave, "continued")
        else:
            code = os.waitstatus_to_exitcode(status)
            report(slave, f"code {code if code >= 0 else 128 - code}")
            break
    while True:
        signal.pause()


def report(slave, words):
    os.write(slave, f"\x1b]{REPORT}{words}\a".encode())


class Terminal:
    def __init__(self, width, height, command):
        self.screen = Screen(width, height)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.process = self.code = None
        self.stopped = self.gone = False
        self.master, slave = pty.openpty()
        self.size(width, height)
        self.modes = termios.tcgetattr(self.master)
        if os.fork() == 0:
            keep(self.master, slave, command)
        os.close(slave)

    def size(self, width, height):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def pump(self, seconds):
        """Takes what the program writes, for at most `seconds`, and returns after the first piece."""
        if self.gone:
            return time.sleep(seconds)
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""
        self.gone = not piece
        self.screen.write(self.decoder.decode(piece))
        for words in self.screen.reports:
            kind, _, number = words.partition(" ")
            if kind == "process":
                self.process = int(number)
            elif kind == "code":
                self.code, self.stopped = int(number), False
            else:
                self.stopped = kind == "stopped"
        self.screen.reports.clear()

    def until(self, seconds, condition):
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            # A program that has ended does nothing more.
            if left <= 0 or self.code is not None:
                return False
            self.pump(min(left, 0.05))
        return True

    def has(self, text):
        return any(text in line for line in self.screen.picture()[0])

    def order(self, line):
        word, _, rest = line.partition(" ")
        if word == "send":
            os.write(self.master, json.loads(rest).encode())
        elif word == "resize":
            width, height = map(int, rest.split())
            self.screen.resize(width, height)
            self.size(width, height)
        elif word == "signal":
            if self.until(10, lambda: self.process is not None) and self.code is None:
                os.kill(self.process, int(rest))
        elif word == "wait":
            seconds, _, texts = rest.partition(" ")
            wanted = json.loads(texts)
            return self.until(float(seconds), lambda: all(map(self.has, wanted)))
        elif word == "updates":
            seconds, count = rest.split()
            wanted = self.screen.updates + int(count)
            return self.until(float(seconds), lambda: self.screen.updates >= wanted)
        elif word == "stop":
            return self.until(float(rest), lambda: self.stopped)
        elif word == "end":
            return self.until(float(rest), lambda: self.code is not None)
        elif word != "screen":
            raise ValueError(f"no such command: {word}")
        return True

    def answer(self, ok):
        modes = termios.tcgetattr(self.master)
        lines, painted = self.screen.picture()
        screen = self.screen
        print(
            json.dumps({
                "ok": ok, "lines": lines, "painted": painted, "cursor": screen.cursor, "alternate": screen.alternate,
                "echo": bool(modes[3] & termios.ECHO), "cooked": bool(modes[3] & termios.ICANON),
                "restored": modes == self.modes, "escapes": screen.escapes, "wraps": screen.wraps,
                "updates": screen.updates, "unknown": screen.unknown, "stopped": self.stopped, "code": self.code,
            }), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=80)
    parser.add_argument("--height", type=int, default=24)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    parent = os.getppid()
    # A thread of the tests may have blocked signals, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    terminal = Terminal(arguments.width, arguments.height, arguments.command)
    grows = stat.S_ISREG(os.fstat(0).st_mode)
    text = b""
    while os.getppid() == parent:
        terminal.pump(0.02)
        if not select.select([0], [], [], 0)[0]:
            continue
        piece = os.read(0, 65536)
        if not piece and not grows:
            return
        text += piece
        while b"\n" in text:
            line, _, text = text.partition(b"\n")
            terminal.answer(terminal.order(line.decode()))


if __name__ == "__main__":
    main()
