"""The commands of `geodis`, in the order in which `--help` lists them."""

from geodis.cli.app import app
from geodis.cli.demo import demo
from geodis.cli.discover import discover
from geodis.cli.edit import edit
from geodis.cli.emulate import emulate
from geodis.cli.emulate_equation import equation
from geodis.cli.emulate_field import field
from geodis.cli.encode import encode
from geodis.cli.fit import fit
from geodis.cli.metrics import metrics
from geodis.cli.scan import scan
from geodis.cli.spectrum import spectrum
from geodis.cli.train import train
from geodis.cli.verify import verify

for _command in (spectrum, scan, fit, verify, edit, discover, encode, train, metrics, demo):
    app.command()(_command)
emulate.command()(field)
emulate.command()(equation)
app.add_typer(emulate, name="emulate")
