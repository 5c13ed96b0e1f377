"""Networks and laws that commute with a group: emulators of particles and fields, coordinate-free by construction."""

from geodis.emulators.message_passing import ScalarVectorLayer as ScalarVectorLayer
from geodis.emulators.message_passing import ScalarVectorNetwork as ScalarVectorNetwork
