"""The command `geodis`: parses and calls, nothing more. One file a command."""

from geodis.cli.app import BAD_INPUT as BAD_INPUT
from geodis.cli.app import INTERRUPTED as INTERRUPTED
from geodis.cli.app import MISSING_EXTRA as MISSING_EXTRA
from geodis.cli.app import REFUSED as REFUSED
from geodis.cli.commands import app as app
