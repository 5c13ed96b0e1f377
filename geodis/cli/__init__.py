"""The command `geodis`: parses and calls, nothing more. One file a command."""

from geodis.cli.app import BAD_INPUT as BAD_INPUT
from geodis.cli.app import INTERRUPTED as INTERRUPTED
from geodis.cli.app import MISSING_EXTRA as MISSING_EXTRA
from geodis.cli.app import REFUSED as REFUSED
from geodis.cli.app import app as app
from geodis.cli.demo import demo
from geodis.cli.edit import edit
from geodis.cli.encode import encode
from geodis.cli.fit import fit
from geodis.cli.spectrum import spectrum
from geodis.cli.verify import verify

for _command in (spectrum, fit, verify, edit, encode, demo):
    app.command()(_command)
