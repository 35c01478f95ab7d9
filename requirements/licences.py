"""Lists name, version and licence of everything that is installed; run it by `make licences`.

The licence is what a package's metadata say: its expression, its classifiers, its text in one line,
or, of a ROS package, the one in its package.xml. Where one says none, the exit code is 1.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path
from xml.etree import ElementTree

READ = {  # in the LICENSE files of those whose metadata say nothing
    'ros-fastcdr': 'Apache-2.0',
    'ros-fastdds': 'Apache-2.0',
    'ros-fastrtps': 'Apache-2.0',
    'setuptools': 'MIT',
}
UNKNOWN = 'UNKNOWN'


def licence_of(package: Distribution) -> str:
    """What a package says that its licence is; `UNKNOWN` where it says nothing."""
    metadata = package.metadata
    name = metadata['Name']
    stated = ' AND '.join(_classified(metadata))
    text = (metadata.get('License') or '').strip()
    one_line = text if len(text.splitlines()) == 1 and text.upper() != UNKNOWN else ''
    expression = metadata.get('License-Expression') or ''
    return expression or stated or one_line or _of_ros(name) or READ.get(name, UNKNOWN)


def _classified(metadata: PackageMetadata) -> Iterator[str]:
    for classifier in metadata.get_all('Classifier') or ():
        if classifier.startswith('License ::') and not classifier.endswith('OSI Approved'):
            yield classifier.rpartition(' :: ')[2]


def _of_ros(name: str) -> str:
    """What the package.xml of a ROS package says; its wheel is named after it."""
    folder = re.sub('^ros-', '', name).replace('-', '_')
    file = Path(sys.prefix, 'share', folder, 'package.xml')
    if not file.is_file():
        return ''
    found = ElementTree.parse(file).getroot().iterfind('license')
    return ' AND '.join(each.text.strip() for each in found if each.text)


def main() -> int:
    """Print the table, and what says nothing once more at its end."""
    found = {each.metadata['Name']: each for each in distributions()}
    rows = [
        (name, package.version, licence_of(package))
        for name, package in sorted(found.items(), key=lambda item: item[0].lower())
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for name, version, licence in rows:
        print(f'{name:{widths[0]}}  {version:{widths[1]}}  {licence}')
    unknown = [name for name, _, licence in rows if licence == UNKNOWN]
    print(
        f'{len(rows)} packages' + (f', without a licence: {", ".join(unknown)}' if unknown else '')
    )
    return int(bool(unknown))


if __name__ == '__main__':
    raise SystemExit(main())
