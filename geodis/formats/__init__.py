"""Users' own files: arrays of embeddings, folders of images, texts and fields, trajectories; written results."""

from geodis.formats.field_reading import read_field_runs as read_field_runs
from geodis.formats.field_runs import FieldRuns as FieldRuns
from geodis.formats.field_writing import to_dataset as to_dataset
from geodis.formats.field_writing import write_field_runs as write_field_runs
from geodis.formats.readers import read_orbits as read_orbits
from geodis.formats.sources import read_fields as read_fields
from geodis.formats.sources import read_images as read_images
from geodis.formats.sources import read_texts as read_texts
from geodis.formats.trajectories import read_trajectories as read_trajectories
from geodis.formats.trajectories import write_trajectories as write_trajectories
from geodis.formats.unlabelled import Unlabelled as Unlabelled
from geodis.formats.unlabelled import read_unlabelled as read_unlabelled
from geodis.formats.views import read_views as read_views
from geodis.formats.writers import write_orbits as write_orbits
