"""Filters and pages, as all Describe actions of EC2 share them."""

import base64
import hashlib
import json
import re

from aws_wire import AWSError


class Pattern:
    """Values of a filter: any of them must match, `*` and `?` stand for other characters, case counts."""

    def __init__(self, values):
        self.plain = {value for value in values if not re.search(r"[*?\\]", value)}
        self.patterns = [re.compile(self.expression(value), re.S) for value in values if value not in self.plain]

    @staticmethod
    def expression(value):
        out, position = "", 0
        while position < len(value):
            letter = value[position]
            if letter == "\\" and position + 1 < len(value):
                position += 1
                out += re.escape(value[position])
            else:
                out += {"*": ".*", "?": "."}.get(letter, re.escape(letter))
            position += 1
        return out

    def matches(self, found):
        if found is None:
            return False
        if isinstance(found, (list, tuple, set, frozenset)):
            return any(self.matches(each) for each in found)
        if isinstance(found, bool):
            found = "true" if found else "false"
        found = str(found)
        return found in self.plain or any(pattern.fullmatch(found) for pattern in self.patterns)


def chosen(items, filters, values, tags=None):
    """The items that pass all filters. `values`: from a filter's name to a function that gives an item's value or values;
    `tags`: a function that gives an item's tags, where it can have some."""
    tests = []
    for each in filters or []:
        name, wanted = each.get("Name", ""), each.get("Values")
        if not wanted:
            raise AWSError("InvalidParameterValue", f"The filter '{name}' has no values")
        if len(wanted) > 200:
            raise AWSError("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
        pattern = Pattern(wanted)
        if name in values:
            tests.append((values[name], pattern))
        elif tags and name.startswith("tag:"):
            key = name[4:]
            tests.append((lambda item, key=key: tags(item).get(key), pattern))
        elif tags and name == "tag-key":
            tests.append((lambda item: list(tags(item)), pattern))
        elif tags and name == "tag-value":
            tests.append((lambda item: list(tags(item).values()), pattern))
        else:
            raise AWSError("InvalidParameterValue", f"The filter '{name}' is invalid")
    for value, pattern in tests:
        items = [item for item in items if pattern.matches(value(item))]
    return items


def page(items, key, request, least=5, most=1000, default=None, ids=None, ids_name="instancesSet"):
    """A page of items, which are sorted by `key`, and the token of the next one."""
    size, token = request.get("MaxResults"), request.get("NextToken")
    if ids and size is not None:
        raise AWSError("InvalidParameterCombination", f"The parameter {ids_name} cannot be used with the parameter maxResults")
    if size is not None and not least <= size <= most:
        raise AWSError(
            "InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}.")
    question = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults", "DryRun")}
    mark = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()[:12]
    if token is not None:
        try:
            seen, last = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            raise AWSError("InvalidParameterValue", "Unable to parse pagination token") from None
        if seen != mark:
            raise AWSError("InvalidParameterValue", "The pagination token belongs to another request")
        items = [item for item in items if key(item) > last]
    size = size or default
    if size is None or len(items) <= size:
        return items, None
    items = items[:size]
    return items, base64.urlsafe_b64encode(json.dumps([mark, key(items[-1])]).encode()).decode()
