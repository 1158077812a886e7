"""The history of spot prices: invented from a seed, the same in every run, and settable.

Each (type, zone, product) has its own walk between 25 % and 60 % of the price on demand, changing every 6 to 30 hours. The
walks begin 90 days before the server does, as far back as AWS keeps them.
"""

import bisect
import functools
import hashlib
import random

import aws_catalog

PRODUCTS = {"Linux/UNIX": 1.0, "Red Hat Enterprise Linux": 1.3, "SUSE Linux": 1.25, "Windows": 1.9}
DAYS = 90


class Prices:
    def __init__(self, seed, start):
        self.seed = seed
        # The whole day, so that runs of the same day see the same history.
        self.first = (int(start) // 86400 - DAYS) * 86400.0
        self.last = self.first + (DAYS + 30) * 86400
        self.chosen = {}

    def set(self, region, zone, name, product, records):
        """Records of [seconds, dollars] instead of invented ones."""
        self.chosen[(region, zone, name, product)] = sorted((float(at), f"{float(price):.6f}") for at, price in records)

    def records(self, region, zone, name, product):
        """All changes, oldest first: (seconds, text of dollars)."""
        return self.chosen.get((region, zone, name, product)) or self.walk(zone, name, product)

    @functools.lru_cache(maxsize=2000)
    def walk(self, zone, name, product):
        digest = hashlib.sha256(f"{self.seed}/{zone}/{name}".encode()).digest()
        source = random.Random(digest)
        top = aws_catalog.on_demand_price(name) * PRODUCTS[product]
        share = source.uniform(0.3, 0.5)
        at, result = self.first + source.uniform(0, 86400), []
        while at < self.last:
            result.append((float(int(at)), f"{top * share:.6f}"))
            share = min(0.6, max(0.25, share * source.uniform(0.93, 1.07)))
            at += source.uniform(6, 30) * 3600
        return result

    def current(self, region, zone, name, now, product="Linux/UNIX"):
        """Dollars an hour, or None before there is any."""
        records = self.records(region, zone, name, product)
        place = bisect.bisect_right(records, (now, "~")) - 1
        return float(records[place][1]) if place >= 0 else None

    def history(self, region, zone, name, product, start, end, now):
        """The changes from `start` to `end`, newest first, and the last one before `start`: the price at `start`."""
        records = self.records(region, zone, name, product)
        end = min(end, now)
        until = bisect.bisect_right(records, (end, "~"))
        since = bisect.bisect_left(records, (start, ""))
        if start <= end and (since == until or records[since][0] > start):
            since -= 1
        return records[max(0, since):until][::-1]
