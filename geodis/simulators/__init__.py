"""Sources of items: sentences, planted codes."""

from geodis.simulators.planted import PlantedBlock as PlantedBlock
from geodis.simulators.planted import PlantedCode as PlantedCode
from geodis.simulators.planted import planted as planted
from geodis.simulators.sentences import Sentences as Sentences
from geodis.simulators.sentences import month_sentences as month_sentences
from geodis.simulators.sentences import weekday_sentences as weekday_sentences
from geodis.simulators.zoo import PlantedCase as PlantedCase
from geodis.simulators.zoo import planted_cases as planted_cases
