"""The numbers of each known arm, one file each; `il_ros.core.arms` lists them."""
