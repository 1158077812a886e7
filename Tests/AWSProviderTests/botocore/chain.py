"""Says where botocore would get credentials from, for each of a list of situations.

  chain.py FILE FOLDER

FILE is a JSON list of {"environment", "config", "credentials", "profile"}, FOLDER a place for files. One JSON document a line
comes out: {"method", "key", "secret", "token", "region"} or {"error"}. Nothing is asked over a network.
"""

import json
import os
import sys

import botocore.credentials
import botocore.session
from botocore.credentials import Credentials


def found(method):
    return lambda self: Credentials("NET", "NET", method=method)


def main():
    situations, folder = json.load(open(sys.argv[1])), sys.argv[2]
    botocore.credentials.InstanceMetadataProvider.load = found("iam-role")
    container = botocore.credentials.ContainerProvider
    container._retrieve_or_fail = found("container-role")
    login = botocore.credentials.LoginProvider
    login.load = lambda self: (
        Credentials("NET", "NET", method="login")
        if "login_session" in self._load_config().get("profiles", {}).get(self._profile_name, {}) else None)
    for situation in situations:
        os.environ.clear()
        os.environ.update({"HOME": folder, "PATH": "/usr/bin:/bin"})
        os.environ.update(situation["environment"])
        for name, variable in (("config", "AWS_CONFIG_FILE"), ("credentials", "AWS_SHARED_CREDENTIALS_FILE")):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                os.remove(path)
            if situation.get(name) is not None:
                with open(path, "w", encoding="utf-8", newline="") as file:
                    file.write(situation[name])
            os.environ[variable] = path
        try:
            session = botocore.session.Session(profile=situation.get("profile"))
            region = session.get_config_variable("region")
            credentials = session.get_credentials()
            answer = {"method": credentials.method, "region": region}
            if credentials.method in ("env", "shared-credentials-file", "config-file", "custom-process"):
                frozen = credentials.get_frozen_credentials()
                answer.update(key=frozen.access_key, secret=frozen.secret_key, token=frozen.token)
        except Exception as error:
            answer = {"error": type(error).__name__}
        print(json.dumps(answer), flush=True)


main()
