"""moto's server, with the resource types that its CloudFormation lacks and serverless.yml uses.

Each of them calls moto's own API for its service, as CloudFormation would, with the access key `cloudformation`. Prints
the port on which it listens. The environment variable AWS_ENDPOINT_URL names where those calls go.
"""

import json
import os
import re

import boto3
from moto.cloudformation import models as cloudformation_models
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend
from moto.core.common_models import CloudFormationModel
from moto.awslambda.models import lambda_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.secretsmanager import secretsmanager_backends
from moto.sqs.models import Queue
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

ACCOUNT = "123456789012"
DEFINED = []


def api(service, region):
    return boto3.client(
        service,
        region_name=region,
        aws_access_key_id="cloudformation",
        aws_secret_access_key="none",
    )


def define(type_name, create, delete, attributes=None, replaced_by=()):
    """Adds a resource type.

    `create(region, properties)` creates or overwrites it and returns its physical id; `delete(region, properties, id)`
    removes it. A change of one of the properties in `replaced_by` replaces it: the new one is created, then the old one
    is deleted. `attributes(region, id)` returns what Fn::GetAtt can ask for.
    """

    class Resource(CloudFormationModel):
        # moto keeps its models by the second part of this name.
        __module__ = "moto.cloudformation.models"

        def __init__(self, region, properties):
            self.region = region
            self.properties = properties
            self.identifier = create(region, properties)

        @property
        def physical_resource_id(self):
            return self.identifier

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return type_name

        @classmethod
        def has_cfn_attr(cls, attr):
            return attributes is not None and attr == "Arn"

        def get_cfn_attribute(self, name):
            return attributes(self.region, self.identifier)[name]

        @classmethod
        def create_from_cloudformation_json(cls, _name, cloudformation_json, _account, region, **_):
            return cls(region, cloudformation_json["Properties"])

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            old, new = original_resource.properties, cloudformation_json["Properties"]
            resource = cls(region_name, new)
            if any(old.get(name) != new.get(name) for name in replaced_by):
                original_resource.delete(account_id, region_name)
            return resource

        def delete(self, _account, _region):
            delete(self.region, self.properties, self.identifier)

    # A class knows its subclasses by weak references only.
    DEFINED.append(Resource)


def create_group(region, properties):
    api("scheduler", region).create_schedule_group(**properties)
    return properties["Name"]


def put_schedule(region, properties):
    scheduler = api("scheduler", region)
    try:
        scheduler.create_schedule(**properties)
    except scheduler.exceptions.ConflictException:
        scheduler.update_schedule(**properties)
    return properties["Name"]


def put_invoke_config(region, properties):
    api("lambda", region).put_function_event_invoke_config(**properties)
    return properties["FunctionName"]


def put_alarm(region, properties):
    api("cloudwatch", region).put_metric_alarm(**properties)
    return properties["AlarmName"]


def subscribe(region, properties):
    return api("sns", region).subscribe(**properties)["SubscriptionArn"]


define(
    "AWS::Scheduler::ScheduleGroup",
    create_group,
    lambda region, _, name: api("scheduler", region).delete_schedule_group(Name=name),
    lambda region, name: {"Arn": f"arn:aws:scheduler:{region}:{ACCOUNT}:schedule-group/{name}"},
    replaced_by=("Name",),
)
define(
    "AWS::Scheduler::Schedule",
    put_schedule,
    lambda region, properties, name: api("scheduler", region).delete_schedule(
        Name=name, GroupName=properties.get("GroupName", "default")
    ),
    replaced_by=("Name",),
)
define(
    "AWS::Lambda::EventInvokeConfig",
    put_invoke_config,
    lambda region, _, name: api("lambda", region).delete_function_event_invoke_config(FunctionName=name),
)
# It denies what does not come over TLS. moto would deny everything: it takes no notice of a policy's conditions.
define("AWS::S3::BucketPolicy", lambda _, properties: properties["Bucket"], lambda _, __, ___: None)
define(
    "AWS::CloudWatch::Alarm",
    put_alarm,
    lambda region, _, name: api("cloudwatch", region).delete_alarms(AlarmNames=[name]),
    replaced_by=("AlarmName",),
)
define(
    "AWS::SNS::Subscription",
    subscribe,
    lambda region, _, arn: api("sns", region).unsubscribe(SubscriptionArn=arn),
    replaced_by=("TopicArn", "Protocol", "Endpoint"),
)

# moto's CloudWatch Logs has no saved queries either: they are kept here.
QUERIES = {}


def put_query(region, properties):
    QUERIES[properties["Name"]] = properties
    return properties["Name"]


define("AWS::Logs::QueryDefinition", put_query, lambda _, __, name: QUERIES.pop(name))


# {{resolve:secretsmanager:…}} is resolved where a resource is created or updated, as CloudFormation does it.
REFERENCE = re.compile(r"\{\{resolve:secretsmanager:([^:}]+):SecretString:([^:}]+)\}\}")
clean_json = parsing.clean_json


def resolve(value, resources):
    cleaned = clean_json(value, resources)
    if not isinstance(cleaned, str):
        return cleaned
    secrets = secretsmanager_backends[ACCOUNT][resources["AWS::Region"]]
    return REFERENCE.sub(lambda found: json.loads(secrets.get_secret_value(found[1], "", "")["SecretString"])[found[2]], cleaned)


parsing.clean_json = resolve
# moto gives a queue an address at AWS, where the AWS command line would then ask.
Queue.physical_resource_id = property(lambda queue: f"{os.environ['AWS_ENDPOINT_URL']}/{ACCOUNT}/{queue.name}")
# moto deletes a stack's resources in any order. CloudFormation deletes what refers to others first.
def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("Ref", "DependsOn"):
                yield from [inner] if isinstance(inner, str) else inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def delete_in_order(resources):
    deleted = set()

    def delete(name):
        if name in deleted:
            return
        deleted.add(name)
        for other, definition in resources._resource_json_map.items():
            if name in references(definition):
                delete(other)
        resource = resources._parsed_resources.pop(name, None)
        if resource is not None and not isinstance(resource, str):
            resources._delete_resource(resource, resources._resource_json_map[name])

    for name in list(resources._resource_json_map):
        delete(name)


parsing.ResourceMap.delete = delete_in_order


# moto leaves a stack's outputs as they were when a change set is executed.
execute_change_set = CloudFormationBackend.execute_change_set


def execute_and_update_outputs(backend, change_set_name, stack_name=None):
    execute_change_set(backend, change_set_name, stack_name)
    for stack in backend.stacks.values():
        stack._parse_template()
        stack.output_map = stack._create_output_map()


CloudFormationBackend.execute_change_set = execute_and_update_outputs
# moto takes cfn-lint's warnings for errors. The template's own test lints it, in every switch.
cloudformation_models.validate_template_cfn_lint = lambda _: []


def with_own_paths(application):
    """Adds what the tests ask for beside AWS's API: a call by boto3, a function's archive, the saved queries."""

    def serve(environ, start_response):
        request = Request(environ)
        if request.path == "/test/call":
            call = request.get_json()
            client = boto3.client(
                call["service"],
                region_name=call["region"],
                aws_access_key_id="test",
                aws_secret_access_key="none",
            )
            try:
                result = getattr(client, call["operation"])(**call["parameters"])
                response = Response(json.dumps(result, default=str))
            except Exception as error:
                response = Response(repr(error), status=500)
        elif request.path == "/test/code":
            functions = lambda_backends[ACCOUNT][request.args["region"]]
            response = Response(functions.get_function(request.args["name"]).code_bytes)
        elif request.path == "/test/queries":
            response = Response(json.dumps(QUERIES))
        else:
            return application(environ, start_response)
        return response(environ, start_response)

    return serve


server = make_server(
    "127.0.0.1",
    0,
    with_own_paths(DomainDispatcherApplication(create_backend_app)),
    threaded=True,
    request_handler=MotoRequestHandler,
)
print(server.server_port, flush=True)
server.serve_forever()
