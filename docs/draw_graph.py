"""Draw docs/graph.svg, the picture of the graph: ``python docs/draw_graph.py``."""

from pathlib import Path

BOXES = {  # name: (x, y, width, title, subtitle)
    'arm': (20, 150, 150, 'robot driver', 'or simulator'),
    'recorder': (260, 20, 150, 'recorder', 'MCAP episode bags'),
    'policy': (260, 110, 150, 'policy', 'CPU or CUDA, hot swap'),
    'expert': (260, 200, 150, 'expert', 'scripted, or a person'),
    'monitor': (560, 150, 170, 'monitor', 'checks, scores, fallback'),
    'trainer': (560, 20, 170, 'trainer', 'dataset to bundle'),
    'coach': (800, 20, 190, 'coach', 'rounds, trials, promotion'),
}
ARROWS = [  # points, label, label position
    ([(170, 165), (215, 165), (215, 45), (260, 45)], '', None),
    ([(170, 165), (215, 165), (215, 135), (260, 135)], '', None),
    ([(170, 165), (215, 165), (215, 225), (260, 225)], '', None),
    ([(170, 190), (190, 190), (190, 275), (545, 275), (545, 190), (560, 190)], '', None),
    ([(410, 135), (500, 135), (500, 165), (560, 165)], 'policy/action_chunk', (420, 128)),
    ([(410, 225), (480, 225), (480, 178), (560, 178)], 'expert/action_chunk', (420, 243)),
    ([(645, 200), (645, 315), (95, 315), (95, 200)], "the controller's own topic", (250, 308)),
    ([(410, 45), (560, 45)], 'episodes', (455, 38)),
    ([(645, 70), (645, 95), (335, 95), (335, 110)], 'bundle', (480, 90)),
    ([(800, 35), (730, 35)], '', None),
    ([(895, 70), (895, 115), (715, 115), (715, 150)], 'takeover, bundle', (770, 108)),
    ([(730, 165), (800, 165)], 'monitor/status, monitor/executed, /diagnostics', (740, 140)),
]  # fmt: skip
SENSORS = ('joint_states, wrench,', 'tcp_pose, object_pose …')


def main() -> None:
    """Write the file."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 340" font-family="sans-serif">',
        '<style>.b{fill:#eef3f8;stroke:#33658a;stroke-width:1.5}.m{fill:#fdeee2;stroke:#c8553d;'
        'stroke-width:2.5}.l{fill:none;stroke:#555;stroke-width:1.4}text{fill:#222;font-size:12px}'
        '.t{font-size:15px;font-weight:bold}.s{fill:#555}</style>',
        '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker></defs>',
        '<rect width="1040" height="340" fill="white"/>',
    ]
    for points, label, where in ARROWS:
        path = ' '.join(f'{x},{y}' for x, y in points)
        parts.append(f'<polyline class="l" marker-end="url(#a)" points="{path}"/>')
        if where:
            parts.append(f'<text x="{where[0]}" y="{where[1]}">{label}</text>')
    for name, (x, y, width, title, subtitle) in BOXES.items():
        kind = 'm' if name == 'monitor' else 'b'
        middle = x + width / 2
        parts += [
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="50" rx="7"/>',
            f'<text class="t" x="{middle}" y="{y + 22}" text-anchor="middle">{title}</text>',
            f'<text class="s" x="{middle}" y="{y + 39}" text-anchor="middle">{subtitle}</text>',
        ]
    parts += [f'<text x="20" y="{118 + 15 * i}">{text}</text>' for i, text in enumerate(SENSORS)]
    parts.append('</svg>')
    Path(__file__).with_name('graph.svg').write_text('\n'.join(parts) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
