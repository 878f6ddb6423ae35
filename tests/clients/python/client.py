"""A client that knows nothing of Candor but the address: everything else it learns by server reflection.

usage: client.py ADDRESS USER_ID

ADDRESS is one that gRPC understands, such as unix:/run/candor/candord.sock. It lists the services, asks for the device,
starts a session for the user id, marks a phase, stops the session, reads the stream to its end, and prints what it got
as one JSON object.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "candor.v1.CandorService"


def main() -> None:
    address, user_id = sys.argv[1], int(sys.argv[2])
    with grpc.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        service = pool.FindServiceByName(SERVICE)

        def request(method, **fields):
            message = message_factory.GetMessageClass(method.input_type)()
            return json_format.ParseDict(fields, message)

        def call(name, timeout=30, **fields):
            """The answer of a method, or the list of its answers when it streams."""
            method = service.methods_by_name[name]
            connect = channel.unary_stream if method.server_streaming else channel.unary_unary
            stub = connect(
                f"/{SERVICE}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            answer = stub(request(method, **fields), timeout=timeout)
            return [plain(one) for one in answer] if method.server_streaming else plain(answer)

        device = call("GetDevice")
        session = call("StartSession", selection={"user_ids": [user_id]}, label="from python")
        session_id = session["header"]["session_id"]
        mark = call("MarkPhase", session_id=session_id, phase="foreground", note="by reflection")
        stopped = call("StopSession", session_id=session_id)
        batches = call("StreamEvents", session_id=session_id)
        try:
            call("StopSession", session_id="no-such-session")
            refused = None
        except grpc.RpcError as error:
            refused = {"code": error.code().name, "message": error.details()}
        result = {
            "services": sorted(database.get_services()),
            "methods": sorted(service.methods_by_name),
            "device": device,
            "session": session,
            "mark": mark,
            "stopped": stopped,
            "entries": [entry for batch in batches for entry in batch["entries"]],
            "refused": refused,
        }
    json.dump(result, sys.stdout, indent=1, sort_keys=True)


def plain(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


if __name__ == "__main__":
    main()
