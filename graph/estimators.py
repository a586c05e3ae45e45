"""The skeletons of pose estimators, in the order and under the names of their output, each a tree.

What an estimator draws has cycles (a torso, a hand) or loose parts (a mouth); where its lines are no tree, a joint
hangs from the nearest one towards the body, as in COCO's.
"""

from __future__ import annotations

from graph.layout import SkeletonLayout

# fmt: off
# OpenPose BODY_25, which MidHip and six joints of the feet set apart from the 18.
OPENPOSE_25 = SkeletonLayout(
    "openpose-25", 25,
    (
        (0, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6), (8, 1), (9, 8), (10, 9), (11, 10), (12, 8), (13, 12),
        (14, 13), (15, 0), (16, 0), (17, 15), (18, 16), (19, 14), (20, 19), (21, 14), (22, 11), (23, 22), (24, 11),
    ),
    center=1,
    joints=(
        "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip", "RKnee",
        "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", "LBigToe", "LSmallToe", "LHeel", "RBigToe",
        "RSmallToe", "RHeel",
    ),
    mirror=((2, 5), (3, 6), (4, 7), (9, 12), (10, 13), (11, 14), (15, 16), (17, 18), (19, 22), (20, 23), (21, 24)),
)

# AlphaPose on Halpe: COCO's 17, then head, neck, hip and feet.
HALPE_26 = SkeletonLayout(
    "halpe-26", 26,
    (
        (0, 18), (1, 0), (2, 0), (3, 1), (4, 2), (5, 18), (6, 18), (7, 5), (8, 6), (9, 7), (10, 8), (11, 19), (12, 19),
        (13, 11), (14, 12), (15, 13), (16, 14), (17, 18), (19, 18), (20, 24), (21, 25), (22, 24), (23, 25), (24, 15),
        (25, 16),
    ),
    center=18,
    joints=(
        "Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist",
        "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle", "Head", "Neck", "Hip", "LBigToe", "RBigToe", "LSmallToe",
        "RSmallToe", "LHeel", "RHeel",
    ),
    mirror=(
        (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (20, 21), (22, 23), (24, 25),
    ),
)

# MediaPipe (BlazePose): it has no neck, so shoulders hang from the nose and hips from the shoulders, as in COCO's.
MEDIAPIPE_33 = SkeletonLayout(
    "mediapipe-33", 33,
    (
        (1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5), (7, 3), (8, 6), (9, 0), (10, 0), (11, 0), (12, 0), (13, 11),
        (14, 12), (15, 13), (16, 14), (17, 15), (18, 16), (19, 15), (20, 16), (21, 15), (22, 16), (23, 11), (24, 12),
        (25, 23), (26, 24), (27, 25), (28, 26), (29, 27), (30, 28), (31, 29), (32, 30),
    ),
    joints=(
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
        "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
        "left_heel", "right_heel", "left_foot_index", "right_foot_index",
    ),
    mirror=(
        (1, 4), (2, 5), (3, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18), (19, 20), (21, 22), (23, 24),
        (25, 26), (27, 28), (29, 30), (31, 32),
    ),
)

# Human3.6M's 17, as 3-D lifters (VideoPose3D, MMPose) give them.
H36M_17 = SkeletonLayout(
    "h36m-17", 17,
    (
        (1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5), (7, 0), (8, 7), (9, 8), (10, 9), (11, 8), (12, 11), (13, 12),
        (14, 8), (15, 14), (16, 15),
    ),
    joints=(
        "root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot", "spine", "thorax",
        "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist",
    ),
    mirror=((1, 4), (2, 5), (3, 6), (11, 14), (12, 15), (13, 16)),
)
# fmt: on
