"""The CloudFormation templates, deployed on moto and run as processes or as a pod."""
